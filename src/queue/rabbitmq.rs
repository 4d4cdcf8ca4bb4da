//! The distributed queue: RabbitMQ 3.10 and later.
//!
//! Built by `lifecycle`, called through [`Queue`]. Durable like the embedded queue: persistent
//! messages in quorum queues, published with confirms, ended by acks. lapin's types stay in here.
//!
//! Reading order: `topology` (exchanges and queues), `message` (what a message holds), `connection`
//! (made again for ever) with `socket` and `sanitizer` (what may reach lapin), `publish` and `confirms`, `retry` (where a webhook waits), `rungs` (that it does not wait for ever) and `waiting` (looking at it), `consume` with `pump`
//! and `window` (how much comes), `consumer_buffer`, `ack_channel` and `in_flight` (what is in hand). Apart from all that: `feed_exchange`,
//! by which applications get what changed, and `management` (what AMQP does not tell).
//!
//! **Giving back.** What is in hand when a process dies comes back, and the broker counts that; at the
//! delivery limit it gives the message up. It counts a requeue the same, so a dropped delivery is
//! requeued only the first time and published anew after that: giving back, in an outage or at a
//! stop, brings nothing to the limit. The count can't tell a message that crashes workers from its
//! innocent neighbours either. One that came back three times therefore moves to `waha.suspects`,
//! where it is in hand alone: its neighbours are processed from there, and it reaches the limit and
//! goes to `waha.dead`.

mod about;
mod ack_channel;
mod arguments;
mod check;
mod confirms;
mod connection;
mod consume;
mod consumer_buffer;
mod error;
mod feed_exchange;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod in_flight;
mod in_flight_counts;
mod lock;
pub mod management;
mod message;
mod options;
mod publish;
mod pump;
mod refusals;
mod retry;
mod rungs;
mod sanitizer;
mod socket;
mod tls;
mod topology;
mod waiting;
mod window;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::Connection;
use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

pub use error::{BrokerError, Extent};
pub use feed_exchange::{FeedExchange, FeedMessage};
pub use options::Options;
pub use retry::RUNGS;

use self::connection::{Reconnecting, Urls, Usable};
use self::consume::Consumers;
use self::consumer_buffer::Shared;
use self::message::FAILURES_MAX;
use self::publish::Publisher;
use self::topology::{Address, Place, Topology};
use self::waiting::{Look, Looked};
use super::{
    BatchLimit, Delivery, Depth, Failure, GivenUp, Hastened, InFlightCounts, Lane, LaneDepth,
    Queue, QueueError, RetryChoice, Retrying, WaitingRetry,
};
use crate::clock::{Clock, SystemClock};
use crate::webhook::Webhook;

/// The longest wait of one `receive`; longer ones end empty-handed.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// How long counting may take.
const COUNT_MAX: Duration = Duration::from_secs(10);

/// A retry that is due this soon goes to its lane at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A queue on a broker. Clones share it; dropping the last one closes its connections, whereupon the
/// broker has back what is in hand.
#[derive(Clone)]
pub struct RabbitmqQueue {
    consumers: Arc<Consumers>,
    options: Arc<Options>,
    urls: watch::Sender<Urls>,
}

/// What is on a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerCounts {
    /// What waits in the lanes. What is in another process' hands can't be seen.
    pub depth: Depth,
    /// What the broker gave up and no worker has taken yet.
    pub given_up: u64,
    /// Consumers, each of which may have up to its prefetch in hand.
    pub consumers: u64,
}

impl RabbitmqQueue {
    /// Starts connecting, and goes on for ever. Must be called within a tokio runtime.
    pub fn open(options: Options) -> Self {
        let options = Arc::new(options);
        let urls = watch::Sender::new(Urls::from(options.urls.as_slice()));
        let topology = Topology::new(&options.prefix, &options.rungs, options.taps);
        let declared = topology.clone();
        let set_up = move |connection: Arc<Connection>| {
            let topology = declared.clone();
            Box::pin(async move { Publisher::open(connection, &topology).await }) as _
        };
        let publisher =
            Reconnecting::start(Arc::clone(&options), urls.subscribe(), Box::new(set_up));
        let consumers = Consumers::new(Arc::clone(&options), urls.subscribe(), topology, publisher);
        Self { consumers, options, urls }
    }

    /// Uses other URLs from now on, such as ones with a new password. New connections are made first;
    /// the old ones close once what is on its way there has ended.
    pub fn replace_urls(&self, urls: &[SecretString]) {
        self.urls.send_replace(Urls::from(urls));
    }

    /// The exchange of the feed, by a connection of its own.
    pub fn feed_exchange(&self) -> FeedExchange {
        FeedExchange::open(Arc::clone(&self.options), self.urls.subscribe())
    }

    /// Tries one URL step by step: says which version answers there, or what is wrong.
    pub async fn check(options: &Options, url: &SecretString) -> Result<String, BrokerError> {
        check::check(options, url).await
    }

    fn topology(&self) -> &Topology {
        &self.consumers.shared().topology
    }

    /// What can be published through now, or why nothing can.
    async fn publisher(&self) -> Result<Arc<Publisher>, BrokerError> {
        self.consumers.shared().publisher.get().await
    }

    /// Counts all that is on the broker, also what `depth` leaves out.
    pub async fn survey(&self) -> Result<BrokerCounts, QueueError> {
        let counted = timeout(COUNT_MAX, self.count()).await;
        Ok(counted.unwrap_or(Err(BrokerError::Silent(COUNT_MAX.as_secs())))?)
    }

    async fn count(&self) -> Result<BrokerCounts, BrokerError> {
        let publisher = self.publisher().await?;
        let channel = publisher.connection().create_channel().await?;
        let mut consumers = 0;
        let mut lanes = Vec::with_capacity(Lane::ALL.len());
        for lane in Lane::ALL {
            let (mut ready, oldest_received_at_ms) = self.consumers.in_hand(lane);
            for place in Place::ALL.into_iter().filter(|place| place.lane() == Some(lane)) {
                let count = Topology::count(&channel, self.topology().queue(place)).await?;
                self.consumers.notice(place, count.ready);
                ready += count.ready;
                consumers += count.consumers;
            }
            let (mut retrying, mut retries_late) = (0, None);
            for rung in self.topology().rungs_of(lane) {
                let count = Topology::count(&channel, rung.queue.clone()).await?;
                let ready = count.ready;
                // Of somebody who looks at what waits: see `waiting`.
                consumers += count.consumers;
                retrying += ready;
                retries_late = retries_late.max(self.consumers.notice_retries(rung, ready));
            }
            lanes.push(LaneDepth { lane, ready, retrying, retries_late, oldest_received_at_ms });
        }
        let dead = Topology::count(&channel, self.topology().queue(Place::Dead)).await?;
        let depth = Depth { lanes, broker_answers: Some(true), ..Depth::default() };
        Ok(BrokerCounts { depth, given_up: dead.ready, consumers: consumers + dead.consumers })
    }

    /// Looks at what waits in every retry queue; moves to its lane what `visit` wants.
    async fn look_at_retries(
        &self,
        count_max: usize,
        mut visit: impl FnMut(WaitingRetry) -> bool,
    ) -> Result<Looked, QueueError> {
        let publisher = self.publisher().await?;
        let mut looked = Looked::default();
        for rung in Lane::ALL.into_iter().flat_map(|lane| self.topology().rungs_of(lane)) {
            let shared = self.consumers.shared();
            let Some(look) = Look::begin(shared, publisher.connection(), rung).await? else {
                continue;
            };
            let Looked { moved, unseen } = look.run(count_max, &mut visit).await?;
            looked.moved += moved;
            looked.unseen += unseen;
        }
        Ok(looked)
    }

    /// Where a webhook waits for so long, and the wait as the broker wants it.
    fn waiting_room(&self, lane: Lane, after: Duration) -> (Address, Option<Duration>) {
        match retry::rung(self.topology().rungs(), after) {
            Some((rung, wait)) if after > AT_ONCE => (self.topology().rung(lane, rung), Some(wait)),
            Some(_) | None => (self.topology().direct(Place::Lane(lane)), None),
        }
    }
}

impl Shared {
    /// Publishes a webhook and waits for the confirm.
    async fn publish(
        &self,
        to: Address,
        webhook: &Webhook,
        failures: &[Failure],
        wait: Option<Duration>,
    ) -> Result<(), QueueError> {
        let mut properties = message::properties(webhook, failures)?;
        if let Some(wait) = wait {
            properties = message::waiting(properties, wait, SystemClock.now_ms());
        }
        let lane = webhook.event_type().lane();
        let publisher = self.publisher.get().await?;
        let result = publisher.publish(lane, to, properties, webhook.body().clone()).await;
        if let Err(error) = &result {
            self.failed(&publisher, error);
        }
        Ok(result.map_err(BrokerError::of_published)?)
    }

    /// Mends what a failed publish shows to be broken.
    fn failed(&self, publisher: &Arc<Publisher>, error: &BrokerError) {
        if matches!(error, BrokerError::Unroutable(_)) {
            publisher.mend(&self.topology);
        }
        if !publisher.is_usable() {
            self.publisher.renew(publisher);
        }
    }

    async fn publish_to(
        &self,
        place: Place,
        webhook: &Webhook,
        failures: &[Failure],
    ) -> Result<(), QueueError> {
        self.publish(self.topology.direct(place), webhook, failures, None).await
    }
}

#[async_trait]
impl Queue for RabbitmqQueue {
    fn backend(&self) -> &'static str {
        "rabbitmq"
    }

    async fn publish(&self, webhook: Webhook) -> Result<(), QueueError> {
        let key = webhook.key();
        let lane = webhook.event_type().lane();
        let to = self.topology().new_webhook(lane, &key.source, &key.event_type);
        self.consumers.shared().publish(to, &webhook, &[], None).await
    }

    async fn receive(
        &self,
        lane: Lane,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        if limit.count_max == 0 {
            return Ok(Vec::new());
        }
        let places: &[Place] = match lane {
            Lane::Chats => &[Place::Suspects, Place::Lane(lane)],
            Lane::Sessions | Lane::Messages | Lane::Calls => &[Place::Lane(lane)],
        };
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        let received = self.consumers.receive(places, limit, deadline).await?;
        Ok(received.into_iter().map(|(delivery, _)| delivery).collect())
    }

    async fn ack(&self, deliveries: Vec<Delivery>) -> Result<(), QueueError> {
        self.consumers.ack(deliveries).await;
        Ok(())
    }

    async fn retry(
        &self,
        delivery: Delivery,
        failure: Failure,
        after: Duration,
    ) -> Result<(), QueueError> {
        let mut failures = delivery.failures().to_vec();
        failures.push(failure);
        if failures.len() > FAILURES_MAX {
            failures.remove(1);
        }
        let lane = delivery.webhook().event_type().lane();
        let (to, wait) = self.waiting_room(lane, after);
        // The copy is safe before the original is ended. If this process dies in between there are
        // two, with one receipt.
        self.consumers.shared().publish(to, delivery.webhook(), &failures, wait).await?;
        self.consumers.ack(vec![delivery]).await;
        Ok(())
    }

    async fn retrying(&self, count_max: usize) -> Result<Retrying, QueueError> {
        let (mut webhooks, mut seen) = (Vec::new(), HashSet::new());
        let keep = |waiting: WaitingRetry| {
            // One that is published anew meanwhile comes twice.
            if seen.insert(waiting.receipt.0) {
                webhooks.push(waiting);
            }
            false
        };
        let Looked { unseen, .. } = self.look_at_retries(count_max, keep).await?;
        Ok(Retrying { webhooks, unseen }.first(count_max))
    }

    async fn retry_now(
        &self,
        choice: RetryChoice,
        count_max: usize,
    ) -> Result<Hastened, QueueError> {
        let wants = |waiting: WaitingRetry| choice(&waiting);
        let Looked { moved, unseen } = self.look_at_retries(count_max, wants).await?;
        Ok(Hastened { count: moved, unseen })
    }

    async fn receive_given_up(
        &self,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<GivenUp>, QueueError> {
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        let received = self.consumers.receive(&[Place::Dead], limit, deadline).await?;
        let reason = |told: Option<&'static str>| told.unwrap_or("given_up_by_broker");
        let given_up =
            received.into_iter().map(|(delivery, told)| GivenUp { delivery, reason: reason(told) });
        Ok(given_up.collect())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(self.survey().await?.depth)
    }

    async fn in_hand(&self) -> Result<Option<InFlightCounts>, QueueError> {
        Ok(Some(self.consumers.report_in_hand().await?))
    }

    /// Has the broker confirm something that is no webhook, on the way that webhooks go. It takes no
    /// longer than a webhook may.
    async fn probe(&self) -> Result<(), QueueError> {
        let publisher = self.publisher().await?;
        let probed = publisher.probe(self.topology()).await;
        if let Err(error) = &probed {
            self.consumers.shared().failed(&publisher, error);
        }
        Ok(probed?)
    }
}
