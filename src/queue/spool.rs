//! The spool: the embedded queue in front of the broker, for when that is away, full or slow.
//!
//! Built by `lifecycle` for processes that serve. What must stay true: `Ok` from `publish` means
//! confirmed by the broker or fsynced here; what is here gets to the broker once it is back; and
//! each accepted webhook is counted once, however often it was tried.
//!
//! A webhook whose confirm comes too late is in both. It has one receipt, so it is applied once.

mod age;
mod counter;
mod drain;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::age::Ages;
use self::counter::Counter;
use super::rabbitmq::BrokerError;
use super::sqlite::{Options, SqliteQueue};
use super::{BatchLimit, Delivery, Depth, Failure, GivenUp, Lane, Queue, QueueError};
use crate::clock::Clock;
use crate::trace::{Stage, Step};
use crate::webhook::Webhook;

/// How long the broker may take to say what waits, before only the spool's is told.
const DEPTH_MAX: Duration = Duration::from_secs(1);

/// A broker with a spool in front. Clones share it.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Inner>,
    _draining: Arc<DropGuard>,
}

struct Inner {
    broker: Arc<dyn Queue>,
    file: SqliteQueue,
    counter: Counter,
    ages: Ages,
    clock: Arc<dyn Clock>,
    /// After this a webhook goes to the file.
    publish_max: Duration,
    /// The broker failed, and nothing got through since: webhooks go to the file at once, and the
    /// drain tries.
    is_away: AtomicBool,
    /// Something was spooled.
    news: Notify,
    /// Webhooks that went to the file since the start.
    spooled: AtomicU64,
}

/// What a spool file knows about its door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Webhooks that this door took in, through the broker or the file.
    pub accepted: u64,
    /// How many more there may be, because the process was killed.
    pub uncertain: u64,
    /// Webhooks that are still in the file.
    pub waiting: u64,
    /// Of those, how many may be on the broker as well.
    pub handed_out: u64,
    /// Replays that are still in the file; not part of `waiting`.
    pub replays: u64,
}

impl Spool {
    /// Opens the file at `path`, or makes it; a damaged one is set aside. Must be called within a
    /// tokio runtime.
    pub fn open(
        broker: Arc<dyn Queue>,
        path: &Path,
        options: Options,
        publish_max: Duration,
    ) -> Result<Self, QueueError> {
        let clock = Arc::clone(&options.clock);
        let file = SqliteQueue::open_or_set_aside(path, options)?;
        let (counter, ages) = (Counter::open(path)?, Ages::open(path)?);
        let inner = Arc::new(Inner {
            broker,
            file,
            counter,
            ages,
            clock,
            publish_max,
            is_away: AtomicBool::new(false),
            news: Notify::new(),
            spooled: AtomicU64::new(0),
        });
        let stop = CancellationToken::new();
        let (stopped, draining) = (stop.clone(), drain::run(Arc::clone(&inner)));
        tokio::spawn(async move { stopped.run_until_cancelled(draining).await });
        Ok(Self { inner, _draining: Arc::new(stop.drop_guard()) })
    }
}

impl Books {
    /// Adds the books of another door.
    pub fn add(&mut self, more: &Self) {
        self.accepted += more.accepted;
        self.uncertain += more.uncertain;
        self.waiting += more.waiting;
        self.handed_out += more.handed_out;
        self.replays += more.replays;
    }

    /// Reads the books of the spool file at `path`, which a process may be using.
    pub async fn read(path: &Path, options: Options) -> Result<Self, QueueError> {
        let census = SqliteQueue::open(path, options)?.census().await?;
        let path = PathBuf::from(path);
        let uncertain = tokio::task::spawn_blocking(move || counter::uncertain(&path));
        Ok(Self {
            accepted: census.accepted,
            uncertain: uncertain.await.map_err(|_| QueueError::Closed)??,
            waiting: census.waiting,
            handed_out: census.handed_out.len() as u64,
            replays: census.replays,
        })
    }
}

impl Inner {
    fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    fn set_away(&self, is_away: bool) {
        if self.is_away.swap(is_away, Ordering::AcqRel) && !is_away {
            tracing::info!("the broker takes webhooks again");
        }
    }

    /// Whether the broker confirmed in time. An error is no reason to refuse: there is the file.
    async fn publish_to_broker(&self, webhook: Webhook) -> bool {
        let (lane, received_at_ms) = (Lane::of(webhook.event_type()), webhook.received_at_ms());
        let error = match timeout(self.publish_max, self.broker.publish(webhook)).await {
            Ok(Ok(())) => {
                self.ages.published(lane, received_at_ms, self.clock.now_ms());
                return true;
            }
            Ok(Err(error)) => error,
            Err(_) => BrokerError::Slow(self.publish_max).into(),
        };
        if is_refusal(&error) {
            tracing::warn!(error = &error as &dyn std::error::Error, "a webhook is spooled");
        } else if !self.is_away.swap(true, Ordering::AcqRel) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the broker fails: webhooks are spooled until it is back");
        }
        false
    }
}

impl Inner {
    /// What waits on the broker, with its age; none if it does not answer.
    async fn broker_depth(&self) -> Option<Depth> {
        let asked_at_ms = self.clock.now_ms();
        let depth = timeout(DEPTH_MAX, self.broker.depth()).await;
        let mut depth = depth.ok().and_then(Result::ok)?;
        for lane in &mut depth.lanes {
            self.ages.tell(lane, asked_at_ms);
        }
        Some(depth)
    }

    /// What waits in the file; what waits on the broker goes on getting older.
    fn without_broker(&self, mut spooled: Depth) -> Depth {
        for lane in &mut spooled.lanes {
            let oldest = [lane.oldest_received_at_ms, self.ages.last_known(lane.lane)];
            lane.oldest_received_at_ms = oldest.into_iter().flatten().min();
        }
        Depth { broker_answers: Some(false), ..spooled }
    }

    /// Writes now and then what a restart must not forget.
    async fn keep_ages(self: &Arc<Self>) {
        let inner = Arc::clone(self);
        let kept = tokio::task::spawn_blocking(move || inner.ages.keep()).await;
        if let Ok(Err(error)) = kept {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "can't write how old the oldest webhooks may be");
        }
    }
}

/// Whether an error concerns one webhook only.
fn is_refusal(error: &QueueError) -> bool {
    matches!(error, QueueError::Broker(BrokerError::Refused(_)))
}

#[async_trait]
impl Queue for Spool {
    fn backend(&self) -> &'static str {
        self.inner.broker.backend()
    }

    async fn publish(&self, webhook: Webhook) -> Result<(), QueueError> {
        let inner = &self.inner;
        if !inner.is_away() && inner.publish_to_broker(webhook.clone()).await {
            if !webhook.is_replay() {
                inner.counter.add();
            }
            return Ok(());
        }
        let (_spooling, webhook) = Step::begin(Stage::Spool, webhook, None);
        inner.file.publish(webhook).await?;
        inner.spooled.fetch_add(1, Ordering::Relaxed);
        inner.news.notify_one();
        Ok(())
    }

    async fn receive(
        &self,
        lane: Lane,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.inner.broker.receive(lane, limit, wait).await
    }

    async fn ack(&self, deliveries: Vec<Delivery>) -> Result<(), QueueError> {
        self.inner.broker.ack(deliveries).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        failure: Failure,
        after: Duration,
    ) -> Result<(), QueueError> {
        self.inner.broker.retry(delivery, failure, after).await
    }

    async fn receive_given_up(
        &self,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<GivenUp>, QueueError> {
        self.inner.broker.receive_given_up(limit, wait).await
    }

    /// Of the spool alone while the broker is away, and of the broker alone if the file fails: the
    /// door still works then. An error if both fail.
    async fn depth(&self) -> Result<Depth, QueueError> {
        let inner = &self.inner;
        let broker = inner.broker_depth().await;
        let mut depth = match (inner.file.depth().await, broker) {
            (Ok(spooled), Some(broker)) => add(spooled, broker),
            (Ok(spooled), None) => inner.without_broker(spooled),
            (Err(_), Some(broker)) => broker,
            (Err(error), None) => return Err(error),
        };
        depth.spooled = inner.spooled.load(Ordering::Relaxed);
        inner.keep_ages().await;
        Ok(depth)
    }
}

/// When the door with the spool file at `path` last saw each lane of the broker empty, in the order of
/// [`Lane::ALL`]: nothing in it was published there before. None if it never did.
pub fn empty_at_ms(path: &Path) -> Result<[Option<i64>; Lane::ALL.len()], QueueError> {
    age::empty_at_ms(path)
}

/// What waits in the spool and on the broker.
fn add(mut spooled: Depth, broker: Depth) -> Depth {
    for (lane, more) in spooled.lanes.iter_mut().zip(broker.lanes) {
        // What can't be published just now is ready as well: it waits for the broker only.
        lane.ready += more.ready;
        lane.retrying += more.retrying;
        let oldest = [lane.oldest_received_at_ms, more.oldest_received_at_ms];
        lane.oldest_received_at_ms = oldest.into_iter().flatten().min();
    }
    Depth { broker_answers: Some(true), ..spooled }
}
