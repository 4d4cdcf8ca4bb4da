//! Receiving: a consumer for each place that is asked for, and the ends of what it brought.
//!
//! Called by `rabbitmq.rs`; `intake` has what runs behind it. What must stay true: nothing is kept in
//! hand that nobody asks for, because the broker closes channels whose messages are not ended in time.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use lapin::Connection;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::{Mutex, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Options;
use super::connection::Link;
use super::error::BrokerError;
use super::flow::Flow;
use super::intake::{Intake, Received, Shared, give_back, pump};
use super::publish::Outlet;
use super::topology::{Place, Topology};
use crate::queue::{BatchLimit, Delivery, Lane};

/// The consumers of one process.
pub(super) struct Consumers {
    options: Arc<Options>,
    /// Made when something is first asked for: most processes only publish.
    link: OnceLock<Link<Arc<Connection>>>,
    open: [Mutex<Option<Open>>; Place::ALL.len()],
    shared: Arc<Shared>,
    _stop: DropGuard,
}

/// A consumer; dropped, it is closed and what it holds goes back.
struct Open {
    intake: Arc<Intake>,
    used_at: Instant,
    pump: AbortHandle,
}

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
        let shared = Arc::new(Shared::new(topology, outlet, returns));
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
                let received = self.intake(*place, deadline).await?.take(limit);
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
            && !open.intake.is_over()
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
        let intake = Arc::new(Intake::new(Flow::new(place, channel)));
        let pump = pump(Arc::clone(&self.shared), Arc::clone(&intake), consumer);
        Ok(Open { intake, used_at: Instant::now(), pump: tokio::spawn(pump).abort_handle() })
    }

    /// Closes consumers that nobody asked for a while; what they hold goes back to the broker.
    async fn close_unused_since(&self, since: Instant) {
        for slot in &self.open {
            let Ok(mut slot) = slot.try_lock() else { continue };
            let Some(open) = slot.take_if(|open| open.used_at < since) else { continue };
            tracing::info!("no more webhooks are taken from a lane until they can be processed");
            let intake = Arc::clone(&open.intake);
            drop(open);
            self.shared.return_waiting(&intake).await;
            self.shared.lose(&intake);
            // A channel that can't be closed is closed.
            let _ = intake.flow.channel().close(200, "idle".into()).await;
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
