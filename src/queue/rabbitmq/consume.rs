//! Receiving: a consumer for each place that is asked for, and the ends of what it brought.
//!
//! Called by `rabbitmq.rs`; `consumer_buffer` has what runs behind it. Invariant: nothing is kept in
//! hand that nobody asks for, because the broker closes channels whose messages are not ended in time.
//!
//! **No consumer gets old.** A queue that somebody deletes and makes again at once has the same name, and
//! RabbitMQ (seen in 3.10) may take it for the one before it, so its consumers are not told. The new queue
//! numbers what it gives to a consumer from 0, and the channel drops what has no higher number than it has
//! seen (`rabbit_fifo_client`, `handle_delivery`): as many messages as the consumer had brought before. For
//! the queue they are in the consumer's hands, so nobody else gets them and nobody counts them. They come
//! back when the channel closes, and nothing else tells of them.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use lapin::Connection;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ack_channel::AckChannel;
use super::connection::{Reconnecting, Urls, Usable};
use super::consumer_buffer::{ConsumerBuffer, Received, Shared, give_back};
use super::error::BrokerError;
use super::options::Options;
use super::publish::Publisher;
use super::pump::Pump;
use super::rungs::{Rung, Rungs};
use super::topology::{Place, Topology};
use super::window::Window;
use crate::queue::{BatchLimit, Delivery, Lane};

/// The room for bodies is shared by so many places: the lanes, and what the broker gave up. Suspects
/// are in hand one at a time.
const PARTS: u64 = Lane::ALL.len() as u64 + 1;

/// How long something may wait on the broker, while a consumer has nothing in hand, before its connection
/// counts as deaf.
const DEAF_AFTER: Duration = Duration::from_secs(15);

/// The consumers of one process.
pub(super) struct Consumers {
    options: Arc<Options>,
    urls: watch::Receiver<Urls>,
    /// Made when something is first asked for: most processes only publish.
    link: OnceLock<Reconnecting<ConsumerConnection>>,
    open: [Mutex<Option<Open>>; Place::ALL.len()],
    rungs: Arc<Rungs>,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

/// What consumers have a connection of their own for.
struct ConsumerConnection(Arc<Connection>);

impl Usable for ConsumerConnection {
    /// It can't know of itself: with nothing to bring it is as silent as one that is cut off.
    fn is_usable(&self) -> bool {
        true
    }
}

/// A consumer; dropped, it is closed and what it holds goes back, unless it retires.
struct Open {
    consumer_buffer: Arc<ConsumerBuffer>,
    connection: Arc<ConsumerConnection>,
    opened_at: Instant,
    used_at: Instant,
    pump: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.consumer_buffer.is_retiring() {
            self.pump.abort();
        }
    }
}

impl Consumers {
    pub(super) fn new(
        options: Arc<Options>,
        urls: watch::Receiver<Urls>,
        topology: Topology,
        publisher: Reconnecting<Publisher>,
    ) -> Arc<Self> {
        let (returns, returned) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(topology, publisher, returns));
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let giving_back = give_back(Arc::clone(&shared), returned);
        tokio::spawn(async move { stopped.run_until_cancelled(giving_back).await });
        let (link, open, rungs) = (OnceLock::new(), Default::default(), Arc::default());
        Arc::new(Self { options, urls, link, open, rungs, shared, _stop: stop.drop_guard() })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Within `limit`, those of the first of `places` that has something; waits for it until `deadline`.
    pub(super) async fn receive(
        self: &Arc<Self>,
        places: &[Place],
        limit: BatchLimit,
        deadline: Instant,
    ) -> Result<Vec<Received>, BrokerError> {
        let bell = self.shared.bell(places[0]);
        loop {
            // Listens before it looks: what comes in between is not missed.
            let mut rings = std::pin::pin!(bell.notified());
            rings.as_mut().enable();
            for place in places {
                let received = self.consumer_buffer(*place, deadline).await?.take(limit);
                if !received.is_empty() {
                    return Ok(received);
                }
            }
            if timeout_at(deadline, rings).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    /// Ends deliveries; those whose channel broke come again.
    pub(super) async fn ack(&self, deliveries: Vec<Delivery>) {
        let mut by_flow: Vec<(Arc<AckChannel>, Vec<u64>)> = Vec::new();
        for delivery in deliveries {
            let Some(hand) = self.shared.hands.remove(delivery.end().0) else { continue };
            match by_flow.iter_mut().find(|(flow, _)| Arc::ptr_eq(flow, hand.flow())) {
                Some((_, tags)) => tags.push(hand.broker_tag),
                None => by_flow.push((Arc::clone(hand.flow()), vec![hand.broker_tag])),
            }
        }
        for (flow, tags) in by_flow {
            flow.ack(tags).await;
        }
    }

    /// How many of a lane are in hand, and when the oldest was received.
    pub(super) fn in_hand(&self, lane: Lane) -> (u64, Option<i64>) {
        self.shared.hands.count(lane)
    }

    fn link(self: &Arc<Self>) -> &Reconnecting<ConsumerConnection> {
        self.link.get_or_init(|| {
            tokio::spawn(close_idle(Arc::downgrade(self), self.options.idle_max));
            let topology = self.shared.topology.clone();
            let set_up = move |connection: Arc<Connection>| {
                let topology = topology.clone();
                let declared = async move {
                    topology.declare(&connection.create_channel().await?).await?;
                    Ok(ConsumerConnection(connection))
                };
                Box::pin(declared) as _
            };
            Reconnecting::start(Arc::clone(&self.options), self.urls.clone(), Box::new(set_up))
        })
    }

    async fn consumer_buffer(
        self: &Arc<Self>,
        place: Place,
        deadline: Instant,
    ) -> Result<Arc<ConsumerBuffer>, BrokerError> {
        // In a task of its own: a consumer that is given up while it is made would keep what the
        // broker has already sent to it.
        let consumers = Arc::clone(self);
        let opening = tokio::spawn(async move { consumers.open_or_get(place, deadline).await });
        opening.await.map_err(|_| BrokerError::Closed)?
    }

    async fn open_or_get(
        self: &Arc<Self>,
        place: Place,
        deadline: Instant,
    ) -> Result<Arc<ConsumerBuffer>, BrokerError> {
        let mut slot = self.open[place.index()].lock().await;
        if let Some(open) = &mut *slot
            && !open.consumer_buffer.is_over()
        {
            open.used_at = Instant::now();
            let is_new = !self.link().has_newer(&open.connection) && !self.is_too_old(place, open);
            if is_new {
                return Ok(Arc::clone(&open.consumer_buffer));
            }
            open.consumer_buffer.begin_to_retire();
        }
        *slot = None;
        let connection = self.link().get_until(deadline).await?;
        // Whatever fails here, a new connection declares everything again.
        let opened = self.open(place, Arc::clone(&connection)).await;
        let open = opened.inspect_err(|_| self.link().renew(&connection))?;
        let consumer_buffer = Arc::clone(&open.consumer_buffer);
        *slot = Some(open);
        Ok(consumer_buffer)
    }

    /// Two consumers of suspects at once would have two in hand.
    fn is_too_old(&self, place: Place, open: &Open) -> bool {
        open.opened_at.elapsed() >= self.options.consumer_age_max
            && (place != Place::Suspects || open.consumer_buffer.flow.is_empty())
    }

    /// What receives now; an error while that changes.
    pub(super) fn open_intakes(&self) -> Result<Vec<Arc<ConsumerBuffer>>, BrokerError> {
        let mut open = Vec::new();
        for slot in &self.open {
            let slot = slot.try_lock().map_err(|_| BrokerError::Closed)?;
            let consumer_buffer = slot.as_ref().map(|open| &open.consumer_buffer);
            open.extend(
                consumer_buffer.filter(|consumer_buffer| !consumer_buffer.is_over()).cloned(),
            );
        }
        Ok(open)
    }

    async fn open(
        &self,
        place: Place,
        connection: Arc<ConsumerConnection>,
    ) -> Result<Open, BrokerError> {
        let channel = connection.0.create_channel().await?;
        let flow = AckChannel::new(place, channel, Arc::clone(&connection.0));
        let consumer_buffer = Arc::new(ConsumerBuffer::new(flow));
        let queue = self.shared.topology.queue(place);
        let bytes_max = self.options.bytes_max / PARTS;
        let window = Window::new(bytes_max, self.options.prefetch);
        let window = (place != Place::Suspects).then_some(window);
        let pump = Pump::new(
            Arc::clone(&self.shared),
            Arc::clone(&consumer_buffer),
            queue,
            window,
            bytes_max,
        );
        let consumer = pump.consume().await?;
        let pump = tokio::spawn(pump.run(consumer)).abort_handle();
        let opened_at = Instant::now();
        Ok(Open { consumer_buffer, connection, opened_at, used_at: opened_at, pump })
    }

    /// Compares what waits at a place with what comes: a node that is cut off from the others, or that
    /// lost track of a consumer, brings nothing, while another one counts.
    pub(super) fn notice(self: &Arc<Self>, place: Place, ready: u64) {
        // One that is just being made is not deaf.
        let Ok(slot) = self.open[place.index()].try_lock() else { return };
        let Some(open) = slot.as_ref().filter(|open| !open.consumer_buffer.is_over()) else {
            return;
        };
        if ready == 0 {
            open.consumer_buffer.hears();
        } else if open.consumer_buffer.is_deaf(DEAF_AFTER) {
            tracing::warn!(
                lane = place.lane().map(Lane::name),
                "webhooks wait on the broker and none comes: connecting anew"
            );
            open.consumer_buffer.hears();
            self.link().renew(&open.connection);
        }
    }

    /// Takes note of how many wait in a retry queue, and frees it if it lets nothing go. Says for how long it
    /// has not; none in a process that takes nothing from the broker, which does not look after it.
    pub(super) fn notice_retries(&self, rung: Rung, ready: u64) -> Option<Duration> {
        let link = self.link.get()?;
        let late = self.rungs.note(&rung, ready);
        if let Some(connection) = link.up() {
            self.rungs.free(&self.shared, Arc::clone(&connection.0), rung, late);
        }
        Some(late)
    }

    /// Closes consumers that nobody asked for a while; what they hold goes back to the broker.
    async fn close_unused_since(&self, since: Instant) {
        for slot in &self.open {
            let Ok(mut slot) = slot.try_lock() else { continue };
            let Some(open) = slot.take_if(|open| open.used_at < since) else { continue };
            tracing::info!("no more webhooks are taken from a lane until they can be processed");
            let consumer_buffer = Arc::clone(&open.consumer_buffer);
            drop(open);
            self.shared.return_waiting(&consumer_buffer).await;
            self.shared.lose(&consumer_buffer);
            // A channel that can't be closed is closed.
            let _ = consumer_buffer.flow.channel().close(200, "idle".into()).await;
        }
    }
}

async fn close_idle(consumers: Weak<Consumers>, idle_max: Duration) {
    loop {
        tokio::time::sleep(idle_max / 4).await;
        let Some(consumers) = consumers.upgrade() else { return };
        if let Some(since) = Instant::now().checked_sub(idle_max) {
            consumers.close_unused_since(since).await;
        }
    }
}
