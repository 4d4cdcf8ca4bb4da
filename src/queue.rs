//! The queue between the door and the worker: what is published here is never lost.
//!
//! Called by `server` (publish), `worker` (receive, ack, retry) and `replay`. One trait, one
//! conformance suite (`tests/it/queue_conformance.rs`) that every implementation passes.

mod batch_limit;
mod delivery;
pub mod rabbitmq;
pub mod reported;
mod retrying;
pub mod spool;
pub mod sqlite;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use crate::webhook::Lane;
pub use batch_limit::{BatchLimit, BatchSize};
pub use delivery::{Delivery, Failure, Tag};
pub use retrying::{Hastened, RetryChoice, Retrying, WaitingRetry};

use crate::webhook::Webhook;

/// Durable lanes of webhooks.
///
/// The contract, proven by the conformance suite:
/// - A webhook whose `publish` returned `Ok` is delivered at least once, also after `kill -9` and
///   after a power cut.
/// - A delivery is in one hand at a time. It is ended once, by value: [`ack`](Queue::ack) forgets
///   it, [`retry`](Queue::retry) hands it out again later with one more failure, and one that is
///   dropped is handed out again with no failure counted. If the holder dies, the same happens.
/// - One `receive` brings no more bytes of bodies than its [`BatchLimit`] says; a body over that comes
///   alone, so it holds up nothing.
/// - Within a lane webhooks come roughly in the order they were published; nothing may depend on it.
/// - Lanes are independent: a full or slow lane does not hold up another.
/// - What comes out is what went in: key, receipt, times, headers and body byte for byte.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Its kind, as logs and traces name it.
    fn backend(&self) -> &'static str;

    /// Returns once the webhook is durable. An error means: not accepted.
    ///
    /// Dropping the future may still publish it.
    async fn publish(&self, webhook: Webhook) -> Result<(), QueueError>;

    /// Webhooks of a lane, within `limit`; waits up to `wait` for the first one. Never waits to fill a
    /// batch, and what it does not hand out stays where others can receive it.
    async fn receive(
        &self,
        lane: Lane,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError>;

    /// Ends deliveries for good. On an error they may be delivered again.
    async fn ack(&self, deliveries: Vec<Delivery>) -> Result<(), QueueError>;

    /// Ends a delivery and hands its webhook out again after `after`, with `failure` on its list.
    async fn retry(
        &self,
        delivery: Delivery,
        failure: Failure,
        after: Duration,
    ) -> Result<(), QueueError>;

    /// Webhooks that the queue itself gave up, within `limit`; waits up to `wait` for the first one.
    /// Their end is a dead letter, then an ack.
    ///
    /// A queue that gives nothing up, as the embedded one, has none.
    async fn receive_given_up(
        &self,
        _limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<GivenUp>, QueueError> {
        tokio::time::sleep(wait).await;
        Ok(Vec::new())
    }

    /// What waits for its next attempt; looks at `count_max` at most in each place where something waits.
    /// Nothing is taken, and no attempt is used.
    async fn retrying(&self, count_max: usize) -> Result<Retrying, QueueError>;

    /// Has those tried now that `choice` wants, of those that [`retrying`](Queue::retrying) would look at.
    /// They keep their failures. On an error some of them may be tried now.
    async fn retry_now(
        &self,
        choice: RetryChoice,
        count_max: usize,
    ) -> Result<Hastened, QueueError>;

    /// How many webhooks wait, by lane.
    async fn depth(&self) -> Result<Depth, QueueError>;

    /// What this process has taken from a broker and not ended; none where the queue itself knows.
    async fn in_hand(&self) -> Result<Option<InFlightCounts>, QueueError> {
        Ok(None)
    }

    /// Tries whether a webhook could be made durable now, without one: asked when none came for a
    /// while. Leaves nothing behind.
    async fn probe(&self) -> Result<(), QueueError>;
}

/// A webhook that the queue itself gave up.
#[derive(Debug)]
pub struct GivenUp {
    /// The webhook.
    pub delivery: Delivery,
    /// Why, as a stable name.
    pub reason: &'static str,
}

/// What waits in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// By lane, in the order of [`Lane::ALL`].
    pub lanes: Vec<LaneDepth>,
    /// The file of the embedded queue or of the spool; none without one, or if it can't be read.
    pub file: Option<FileDepth>,
    /// Whether the broker answered; none without one. If not, what waits there is left out.
    pub broker_answers: Option<bool>,
    /// Webhooks that this process spooled since it started.
    pub spooled: u64,
}

/// What a process has taken from a broker and not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InFlightCounts {
    /// On how many of the broker's queues it listens.
    pub consumers: u64,
    /// Webhooks by lane, in the order of [`Lane::ALL`].
    pub lanes: [u64; Lane::ALL.len()],
    /// Webhooks that the broker gave up.
    pub given_up: u64,
}

impl InFlightCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.lanes.iter().sum::<u64>() + self.given_up
    }
}

/// Nearly all webhooks are smaller than this.
const USUAL_BYTES_MAX: u64 = 64 << 10;

/// What is in a queue file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileDepth {
    /// Webhooks in it.
    pub webhooks: u64,
    /// Size of what is used of it.
    pub bytes: u64,
    /// The configured limit of that size.
    pub bytes_max: u64,
    /// Accepted webhooks that damage took out of it, in the file of what was set aside.
    pub set_aside: u64,
    /// Accepted webhooks that may be missing because of damage, beside those.
    pub missing: u64,
}

impl FileDepth {
    /// Whether it takes more, unless that is unusually large.
    pub fn has_room(self) -> bool {
        self.bytes.saturating_add(USUAL_BYTES_MAX) <= self.bytes_max
    }
}

/// What waits in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneDepth {
    /// Which lane.
    pub lane: Lane,
    /// Ready to be received, or in a worker's hand.
    pub ready: u64,
    /// Waiting for their next attempt.
    pub retrying: u64,
    /// For how long nothing has been seen to leave what waits for its next attempt, beyond the longest wait
    /// there: zero while all go in time. None where this process does not look after it.
    pub retries_late: Option<Duration>,
    /// When the oldest of the ready ones was received at the door, ms since 1970. None if nothing is
    /// ready, or if nobody knows: a broker can't be asked for it, so there it is the oldest of what
    /// is in this process' hands or, at a door, not later than the truth (see `queue/spool/age`).
    pub oldest_received_at_ms: Option<i64>,
}

impl Depth {
    /// Up to when all that came has been handed out and ended, but for what is retried: nobody can
    /// say of a later time that nothing came. None if it is not known.
    pub fn ended_until(&self, now_ms: i64) -> Option<DateTime<Utc>> {
        let is_known = |lane: &LaneDepth| lane.ready == 0 || lane.oldest_received_at_ms.is_some();
        if self.broker_answers == Some(false) || !self.lanes.iter().all(is_known) {
            return None;
        }
        let oldest = self.lanes.iter().filter_map(|lane| lane.oldest_received_at_ms).min();
        DateTime::from_timestamp_millis(oldest.unwrap_or(now_ms).min(now_ms))
    }

    /// All that waits.
    pub fn total(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.ready + lane.retrying).sum()
    }
}

/// Why a queue did not do what it was asked. Nothing was accepted or ended.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The size limit is reached; the sender should come back later.
    #[error(
        "the queue is full: {bytes} bytes, limit {bytes_max} (queue.bytes_max, queue.spool_bytes_max)"
    )]
    Full {
        /// Size now.
        bytes: u64,
        /// The configured limit.
        bytes_max: u64,
    },
    /// The broker refused, or is away.
    #[error(transparent)]
    Broker(#[from] rabbitmq::BrokerError),
    /// Disk or database below the embedded queue failed.
    #[error("the embedded queue failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The file is not a queue, or was made by a newer release.
    #[error("the queue file {path} can't be used: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A stored webhook can't be read back.
    #[error("a stored webhook can't be read back")]
    Decode(#[from] serde_json::Error),
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
}
