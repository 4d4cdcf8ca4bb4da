//! Receiving: a consumer for each place that is asked for, and the ends of what it brought.
//!
//! Called by `rabbitmq.rs`. What must stay true: whatever comes in is in [`Hands`] until it is ended,
//! given back or lost with its channel; and nothing is kept in hand that nobody asks for, because
//! the broker closes channels whose messages are not ended in time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery as Message;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, Consumer};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::{Mutex, Notify};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Options;
use super::connection::Link;
use super::error::BrokerError;
use super::flow::Flow;
use super::hands::{Hand, Hands};
use super::message::{self, Content};
use super::publish::{Lock, Outlet};
use super::topology::{Place, SUSPECT_AFTER, Topology};
use crate::queue::{Delivery, Lane, Tag};

/// Bodies handed out at a time; a first one is handed out whatever its size.
const BYTES_MAX: usize = 32 << 20;

/// The consumers of one process.
pub(super) struct Consumers {
    options: Arc<Options>,
    /// Made when something is first asked for: most processes only publish.
    link: OnceLock<Link<Arc<Connection>>>,
    open: [Mutex<Option<Open>>; Place::ALL.len()],
    shared: Arc<Shared>,
    _stop: DropGuard,
}

/// What the tasks need.
pub(super) struct Shared {
    pub(super) topology: Topology,
    pub(super) outlet: Link<Outlet>,
    hands: Hands,
    /// Where deliveries say that they were dropped.
    returns: UnboundedSender<Tag>,
    /// One for each lane, and one for what the broker gave up.
    bells: [Notify; Lane::ALL.len() + 1],
}

/// A consumer; dropped, it is closed and what it holds goes back.
struct Open {
    intake: Arc<Intake>,
    used_at: Instant,
    pump: AbortHandle,
}

/// What came in and nobody took yet.
struct Intake {
    flow: Arc<Flow>,
    waiting: Lock<VecDeque<Received>>,
    is_over: AtomicBool,
}

/// A delivery and, if it comes from there, why the broker gave it up.
pub(super) type Received = (Delivery, Option<&'static str>);

impl Drop for Open {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Consumers {
    pub(super) fn new(
        options: Arc<Options>,
        topology: Topology,
        outlet: Link<Outlet>,
    ) -> Arc<Self> {
        let (returns, returned) = mpsc::unbounded_channel();
        let (hands, bells) = (Hands::default(), Default::default());
        let shared = Arc::new(Shared { topology, outlet, hands, returns, bells });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let giving_back = give_back(Arc::clone(&shared), returned);
        tokio::spawn(async move { stopped.run_until_cancelled(giving_back).await });
        let (link, open) = (OnceLock::new(), Default::default());
        Arc::new(Self { options, link, open, shared, _stop: stop.drop_guard() })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Up to `max` of the first of `places` that has something; waits for it until `deadline`.
    pub(super) async fn receive(
        self: &Arc<Self>,
        places: &[Place],
        max: usize,
        deadline: Instant,
    ) -> Result<Vec<Received>, BrokerError> {
        let bell = self.shared.bell(places[0]);
        loop {
            // Listens before it looks: what comes in between is not missed.
            let mut rings = std::pin::pin!(bell.notified());
            rings.as_mut().enable();
            for place in places {
                let received = self.intake(*place, deadline).await?.take(max);
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
        let mut by_flow: Vec<(Arc<Flow>, Vec<u64>)> = Vec::new();
        for delivery in deliveries {
            let Some(hand) = self.shared.hands.remove(delivery.end().0) else { continue };
            match by_flow.iter_mut().find(|(flow, _)| Arc::ptr_eq(flow, &hand.flow)) {
                Some((_, tags)) => tags.push(hand.broker_tag),
                None => by_flow.push((hand.flow, vec![hand.broker_tag])),
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

    fn link(self: &Arc<Self>) -> &Link<Arc<Connection>> {
        self.link.get_or_init(|| {
            tokio::spawn(close_idle(Arc::downgrade(self), self.options.idle_max));
            let topology = self.shared.topology.clone();
            let set_up = move |connection: Arc<Connection>| {
                let topology = topology.clone();
                let declared = async move {
                    topology.declare(&connection.create_channel().await?).await?;
                    Ok(connection)
                };
                Box::pin(declared) as _
            };
            Link::start(Arc::clone(&self.options), Box::new(set_up))
        })
    }

    async fn intake(
        self: &Arc<Self>,
        place: Place,
        deadline: Instant,
    ) -> Result<Arc<Intake>, BrokerError> {
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
    ) -> Result<Arc<Intake>, BrokerError> {
        let mut slot = self.open[place.index()].lock().await;
        if let Some(open) = &mut *slot
            && !open.intake.is_over.load(Ordering::Acquire)
        {
            open.used_at = Instant::now();
            return Ok(Arc::clone(&open.intake));
        }
        *slot = None;
        let connection = self.link().get_until(deadline).await?;
        // Whatever fails here, a new connection declares everything again.
        let open = self.open(place, &connection).await.inspect_err(|_| self.link().renew())?;
        let intake = Arc::clone(&open.intake);
        *slot = Some(open);
        Ok(intake)
    }

    async fn open(&self, place: Place, connection: &Connection) -> Result<Open, BrokerError> {
        let channel = connection.create_channel().await?;
        let prefetch = if place == Place::Suspects { 1 } else { self.options.prefetch };
        channel.basic_qos(prefetch, BasicQosOptions { global: false }).await?;
        let options =
            BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
        let queue = self.shared.topology.queue(place);
        let consumer =
            channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
        let intake = Arc::new(Intake {
            flow: Arc::new(Flow::new(place, channel)),
            waiting: Lock::new(VecDeque::new()),
            is_over: AtomicBool::new(false),
        });
        let pump = pump(Arc::clone(&self.shared), Arc::clone(&intake), consumer);
        Ok(Open { intake, used_at: Instant::now(), pump: tokio::spawn(pump).abort_handle() })
    }

    /// Closes consumers that nobody asked for a while; what they hold goes back to the broker.
    async fn close_unused_since(&self, since: Instant) {
        for slot in &self.open {
            let Ok(mut slot) = slot.try_lock() else { continue };
            let Some(open) = slot.take_if(|open| open.used_at < since) else { continue };
            tracing::info!("no more webhooks are taken from a lane until they can be processed");
            self.shared.lose(&open.intake);
            // A channel that can't be closed is closed.
            let _ = open.intake.flow.channel().close(200, "idle".into()).await;
        }
    }
}

impl Intake {
    fn take(&self, max: usize) -> Vec<Received> {
        self.waiting.with(|waiting| {
            let mut bytes = 0;
            let fits = waiting.iter().take(max).take_while(|(delivery, _)| {
                bytes += delivery.webhook().body().len();
                bytes <= BYTES_MAX
            });
            let count = fits.count().max(1).min(max).min(waiting.len());
            waiting.drain(..count).collect()
        })
    }
}

impl Shared {
    fn bell(&self, place: Place) -> &Notify {
        &self.bells[place.lane().map_or(Lane::ALL.len(), |lane| lane as usize)]
    }

    /// Takes a message into this process' hands.
    fn take_in(self: &Arc<Self>, intake: &Intake, message: Message) {
        let broker_tag = message.delivery_tag;
        intake.flow.came_in(broker_tag);
        let content = message::read(message);
        let place = intake.flow.place();
        if matches!(place, Place::Lane(_)) && content.returns >= SUSPECT_AFTER {
            let (shared, flow) = (Arc::clone(self), Arc::clone(&intake.flow));
            tokio::spawn(async move { shared.suspect(&flow, broker_tag, &content).await });
            return;
        }
        let Content { webhook, failures, given_up, returns } = content;
        let is_copied = match place {
            Place::Lane(_) => returns > 0,
            Place::Suspects => true,
            Place::Dead => false,
        };
        let copy = is_copied.then(|| (webhook.clone(), failures.clone()));
        let received_at_ms = webhook.received_at_ms();
        let hand = Hand { flow: Arc::clone(&intake.flow), broker_tag, received_at_ms, copy };
        let delivery =
            Delivery::new(webhook, failures, self.hands.take(hand), self.returns.clone());
        intake.waiting.with(|waiting| waiting.push_back((delivery, given_up)));
        self.bell(place).notify_waiters();
    }

    /// Moves a message to where it is processed alone.
    async fn suspect(&self, flow: &Flow, broker_tag: u64, content: &Content) {
        match self.publish_to(Place::Suspects, &content.webhook, &content.failures).await {
            Ok(()) => flow.ack(vec![broker_tag]).await,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a webhook that may crash workers could not be set apart yet"
                );
                flow.give_back(&[broker_tag]).await;
            }
        }
    }

    /// Gives a dropped delivery back. Only the first time by a requeue: the broker counts those as
    /// if a worker had died. Published anew its count begins at zero.
    async fn return_hand(&self, hand: Hand) {
        if let Some((webhook, failures)) = &hand.copy
            && self.publish_to(hand.flow.place(), webhook, failures).await.is_ok()
        {
            return hand.flow.ack(vec![hand.broker_tag]).await;
        }
        hand.flow.give_back(&[hand.broker_tag]).await;
    }

    /// A consumer is over: what it brought is not in our hands any more.
    fn lose(&self, intake: &Intake) {
        intake.is_over.store(true, Ordering::Release);
        self.hands.forget(&intake.flow);
        intake.waiting.with(VecDeque::clear);
        self.bell(intake.flow.place()).notify_waiters();
    }
}

async fn pump(shared: Arc<Shared>, intake: Arc<Intake>, mut consumer: Consumer) {
    while let Some(Ok(message)) = consumer.next().await {
        shared.take_in(&intake, message);
    }
    shared.lose(&intake);
}

async fn give_back(shared: Arc<Shared>, mut returned: UnboundedReceiver<Tag>) {
    while let Some(tag) = returned.recv().await {
        if let Some(hand) = shared.hands.remove(tag) {
            shared.return_hand(hand).await;
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
