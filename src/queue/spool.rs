//! The spool: the embedded queue in front of the broker, for when that is away, full or slow.
//!
//! Built by `lifecycle` for processes that serve. Invariant: `Ok` from `publish` means
//! confirmed by the broker or fsynced here; what is here gets to the broker once it is back; and
//! each accepted webhook is counted once, however often it was tried.
//!
//! A webhook whose confirm comes too late is in both. It has one receipt, so it is applied once.

mod age;
mod availability;
mod count;
mod drain;
mod late;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use count::{CountGap, DoorCounts, DoorProcess, GapCause, time};

use self::age::Ages;
use self::availability::Availability;
use self::count::{Counter, Counting};
use self::late::LateQueue;
use super::rabbitmq::BrokerError;
use super::reported::{PublishReport, ReportedQueue};
use super::sqlite::Options;
use super::{
    BatchLimit, Delivery, Depth, Failure, GivenUp, Hastened, InFlightCounts, Lane, Queue,
    QueueError, RetryChoice, Retrying,
};
use crate::clock::Clock;
use crate::telemetry::dependency::{Dependencies, Usage};
use crate::telemetry::outage_log::{DueLine, OutageLog};
use crate::trace::{Span, SpanName};
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
    broker: ReportedQueue,
    file: ReportedQueue,
    counter: Counter,
    ages: Ages,
    clock: Arc<dyn Clock>,
    /// After this a webhook goes to the file.
    publish_max: Duration,
    /// Where the broker failed and confirmed nothing since, webhooks go to the file at once, and the
    /// drain tries.
    availability: Availability,
    /// Something of a lane was spooled.
    news: [Notify; Lane::ALL.len()],
    /// Webhooks that went to the file since the start.
    spooled: AtomicU64,
    /// What was logged of webhooks that the broker refused.
    refusals: OutageLog,
}

impl Spool {
    /// Opens the file at `path`, or makes it; a damaged one is mended. Says in `dependencies` how
    /// broker and file take webhooks. Must be called within a tokio runtime.
    pub fn open(
        broker: Arc<dyn Queue>,
        path: &Path,
        options: Options,
        publish_max: Duration,
        dependencies: &Dependencies,
    ) -> Result<Self, QueueError> {
        let clock = Arc::clone(&options.clock);
        let report = |usage| PublishReport {
            usage,
            dependencies: dependencies.clone(),
            clock: Arc::clone(&clock),
            slow_after: publish_max / 2,
        };
        let broker = ReportedQueue::new(broker, report(Usage::Publish));
        let late = Arc::new(LateQueue::open(path, options)?);
        let file = Arc::clone(&late);
        let file = ReportedQueue::new(file, report(Usage::Spool));
        let counter = Counter::open(path, late, Arc::clone(&clock))?;
        let ages = Ages::open_or_forget(path);
        let inner = Arc::new(Inner {
            broker,
            file,
            counter,
            ages,
            clock,
            publish_max,
            availability: Availability::default(),
            news: Default::default(),
            spooled: AtomicU64::new(0),
            refusals: OutageLog::new(),
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let draining = drain::run(Arc::clone(&inner));
        tokio::spawn(async move { stopped.run_until_cancelled(draining).await });
        Ok(Self { inner, _draining: Arc::new(stop.drop_guard()) })
    }
}

impl Inner {
    /// What the broker said in time. An error is no reason to refuse: there is the file.
    async fn publish_to_broker(&self, webhook: Webhook) -> BrokerAnswer {
        let lane = webhook.event_type().lane();
        let received_at_ms = webhook.received_at_ms();
        let error = match timeout(self.publish_max, self.broker.publish(webhook)).await {
            Ok(Ok(())) => {
                self.ages.published(lane, received_at_ms, self.clock.now_ms());
                self.availability.confirmed(lane);
                return BrokerAnswer::Confirmed;
            }
            Ok(Err(error)) => error,
            Err(_) => BrokerError::Slow(self.publish_max).into(),
        };
        self.availability.failed(lane, &error);
        match error {
            QueueError::Broker(error) if error.may_have_it() => BrokerAnswer::Unknown,
            _ => BrokerAnswer::NotTaken,
        }
    }
}

/// What the broker said to a webhook.
enum BrokerAnswer {
    Confirmed,
    /// It does not have it.
    NotTaken,
    /// It may have it all the same.
    Unknown,
}

impl Inner {
    /// The same, counted in the door's books: Ok if the broker confirmed, else what is to be told where
    /// else the webhook went, if the broker may have it. A replay was counted when it was accepted.
    async fn publish_counted(&self, webhook: &Webhook) -> Result<(), Option<Counting>> {
        let counting = (!webhook.is_replay()).then(|| self.counter.begin());
        match self.publish_to_broker(webhook.clone()).await {
            BrokerAnswer::Confirmed => counting.into_iter().for_each(Counting::confirmed),
            BrokerAnswer::NotTaken => {
                counting.into_iter().for_each(Counting::needs_no_count);
                return Err(None);
            }
            BrokerAnswer::Unknown => return Err(counting),
        }
        Ok(())
    }

    /// Spools what the broker has not confirmed. Where the file takes nothing the broker is asked after all.
    async fn keep(
        &self,
        webhook: Webhook,
        is_away: bool,
        unanswered: Option<Counting>,
    ) -> Result<(), QueueError> {
        let spooled = self.spool(webhook.clone()).await;
        if spooled.is_ok() {
            // The file counts it.
            unanswered.into_iter().for_each(Counting::needs_no_count);
        } else if is_away && self.publish_counted(&webhook).await.is_ok() {
            // The drain can't try the broker with what could not be spooled.
            return Ok(());
        }
        spooled
    }

    async fn spool(&self, webhook: Webhook) -> Result<(), QueueError> {
        let lane = webhook.event_type().lane();
        let (_spooling, webhook) = Span::begin(SpanName::Spool, webhook, None);
        self.file.publish(webhook).await?;
        self.spooled.fetch_add(1, Ordering::Relaxed);
        self.news[lane as usize].notify_one();
        Ok(())
    }

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
        let Ok(Err(error)) = kept else { return };
        if let Some(DueLine { error, .. }) = self.refusals.failed(&error) {
            tracing::warn!(error, "can't write how old the oldest webhooks may be");
        }
    }
}

#[async_trait]
impl Queue for Spool {
    fn backend(&self) -> &'static str {
        self.inner.broker.backend()
    }

    async fn publish(&self, webhook: Webhook) -> Result<(), QueueError> {
        let is_away = self.inner.availability.is_away(webhook.event_type().lane());
        let mut unanswered = None;
        if !is_away {
            match self.inner.publish_counted(&webhook).await {
                Ok(()) => return Ok(()),
                Err(counting) => unanswered = counting,
            }
        }
        // In a task: whoever asked may be gone before it is known where the webhook is, and then it would count
        // as one that may be anywhere. So it was with doors that had been frozen.
        let inner = Arc::clone(&self.inner);
        let kept = tokio::spawn(async move { inner.keep(webhook, is_away, unanswered).await });
        kept.await.map_err(|_| BrokerError::Closed)?
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

    async fn retrying(&self, count_max: usize) -> Result<Retrying, QueueError> {
        self.inner.broker.retrying(count_max).await
    }

    async fn retry_now(
        &self,
        choice: RetryChoice,
        count_max: usize,
    ) -> Result<Hastened, QueueError> {
        self.inner.broker.retry_now(choice, count_max).await
    }

    /// Of the spool alone while the broker is away, and of the broker alone if the file fails: the
    /// door still works then. An error if both fail.
    async fn depth(&self) -> Result<Depth, QueueError> {
        let inner = &self.inner;
        let broker = inner.broker_depth().await;
        let spooled = inner.file.depth().await;
        let is_file_usable = spooled.is_ok();
        let mut depth = match (spooled, broker) {
            (Ok(spooled), Some(broker)) => add(spooled, broker),
            (Ok(spooled), None) => inner.without_broker(spooled),
            (Err(_), Some(broker)) => broker,
            (Err(error), None) => return Err(error),
        };
        depth.spooled = inner.spooled.load(Ordering::Relaxed);
        if is_file_usable {
            inner.keep_ages().await;
        }
        Ok(depth)
    }

    async fn in_hand(&self) -> Result<Option<InFlightCounts>, QueueError> {
        self.inner.broker.in_hand().await
    }

    /// Of both; one of them is enough.
    async fn probe(&self) -> Result<(), QueueError> {
        let (broker, file) = join(self.inner.broker.probe(), self.inner.file.probe()).await;
        broker.or(file)
    }
}

/// When the door with the spool file at `path` last saw each lane of the broker empty, in the order of
/// [`Lane::ALL`]: nothing in it was published there before. None if it never did.
pub fn empty_at_ms(path: &Path) -> Result<[Option<i64>; Lane::ALL.len()], QueueError> {
    age::empty_at_ms(path)
}

/// Whether a door counts beside the spool file at `path`.
pub fn has_count(path: &Path) -> bool {
    count::is_counted(path)
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
