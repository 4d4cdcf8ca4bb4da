//! What is done for one consumer, for ever: look what it was not told, tell it, move its cursor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::entry::Entry;
use super::lease::Lease;
use super::{Consumer, DeliveryError, Way};
use crate::clock::Clock;
use crate::metrics::consumers::ConsumerMetrics;
use crate::outage::Outage;
use crate::store::operations::consumers::{ConsumerRow, ConsumerState, SessionName, cursor};
use crate::store::operations::feed::{ChangePage, FeedState, Gone};
use crate::store::{Store, StoreError};

/// Longest wait between two tries of a consumer that takes nothing.
const RETRY_LONGEST: Duration = Duration::from_mins(3);
/// How long what is on its way may go on after a stop.
const STOP_MAX: Duration = Duration::from_secs(10);

/// What is looked at how often, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How often it is looked for changes.
    pub poll: Duration,
    /// How long a process that says nothing keeps a consumer. More than three times what a delivery may take.
    pub lease: Duration,
    /// Longest wait between two tries.
    pub retry_longest: Duration,
}

impl Timing {
    /// For deliveries that may take so long.
    pub fn of(timeout: Duration) -> Self {
        let lease = timeout * 3 + Duration::from_secs(5);
        Self { poll: Duration::from_millis(500), lease, retry_longest: RETRY_LONGEST }
    }
}

/// The task of a consumer.
pub struct Delivery {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    consumer: Consumer,
    metrics: ConsumerMetrics,
    timing: Timing,
    lease: Lease,
    /// The waits since the consumer takes nothing, and until when the present one lasts.
    backoff: Option<(Outage, Instant)>,
    /// Names of sessions by their ids; they never change.
    names: HashMap<i64, SessionName>,
}

/// What comes next.
enum Next {
    /// At once: there may be more.
    Step,
    /// After a while.
    Poll,
}

impl Delivery {
    /// A delivery by this process, which is called `owner`: a name that no other has.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        consumer: Consumer,
        metrics: ConsumerMetrics,
        timing: Timing,
        owner: String,
    ) -> Self {
        let lease = Lease::new(owner, timing.lease);
        let (backoff, names) = (None, HashMap::new());
        Self { store, clock, consumer, metrics, timing, lease, backoff, names }
    }

    /// Delivers until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let stopped = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_MAX).await;
        };
        let mut stopped = std::pin::pin!(stopped);
        while !stop.is_cancelled() {
            let came_next = tokio::select! {
                next = self.step() => next,
                () = &mut stopped => break,
            };
            let next = came_next.unwrap_or_else(|error| {
                // The worker reports an outage.
                tracing::debug!(
                    consumer = self.consumer.name,
                    error = error.detail(),
                    "can't read the feed"
                );
                Next::Poll
            });
            if matches!(next, Next::Poll) {
                stop.run_until_cancelled(tokio::time::sleep(self.timing.poll)).await;
            }
        }
        let release = self.store.release_consumer(&self.consumer.name, self.lease.owner());
        let _ = tokio::time::timeout(STOP_MAX, release).await;
    }

    async fn step(&mut self) -> Result<Next, StoreError> {
        let name = &self.consumer.name;
        let Some(row) = self.store.consumer(name).await? else {
            self.store.register_consumer(name, self.consumer.way.kind()).await?;
            return Ok(Next::Step);
        };
        let feed = self.store.feed_state().await?;
        self.measure(&row, &feed).await?;
        let is_up_to_date = row.epoch == feed.epoch && row.position == feed.position;
        if is_up_to_date || ConsumerState::of(&row) != ConsumerState::Active || self.waits(&row) {
            return Ok(Next::Poll);
        }
        let Some(row) = self.lease.ensure(&self.store, row).await? else { return Ok(Next::Poll) };
        match self.read(&row, &feed).await? {
            Ok(page) => self.tell(row, page).await,
            Err(gone) => self.give_up(&row, ConsumerState::Gone, &gone.to_string()).await,
        }
    }

    /// Whether the wait after a failure lasts; an operator ends it.
    fn waits(&mut self, row: &ConsumerRow) -> bool {
        if row.failing_since.is_none() {
            self.backoff = None;
        }
        self.backoff.as_ref().is_some_and(|(_, until)| Instant::now() < *until)
    }

    async fn read(
        &self,
        row: &ConsumerRow,
        feed: &FeedState,
    ) -> Result<Result<ChangePage, Gone>, StoreError> {
        let Consumer { kinds, sessions, batch_max, .. } = &self.consumer;
        // After the state: a session that it tells of has its row.
        let filter = self.store.change_filter(kinds, sessions).await?;
        self.store.changes_after(feed, cursor(row), &filter, *batch_max).await
    }

    async fn tell(&mut self, row: ConsumerRow, page: ChangePage) -> Result<Next, StoreError> {
        let ChangePage { changes, position } = page;
        let count = changes.len();
        if count > 0 {
            let entries = self.entries(&row, changes).await?;
            if !self.lease.lasts() {
                // Reading took so long that another process may deliver by now.
                return Ok(Next::Step);
            }
            let sent = self.send(&entries).await;
            if let Err(error) = sent {
                return self.failed(&row, &error).await;
            }
            self.metrics.delivered(&self.consumer.name, count);
            self.backoff = None;
        }
        let began = Instant::now();
        if let Some(row) = self.store.advance_consumer(&row, position, count > 0).await? {
            self.lease.renewed(&row, began);
        }
        Ok(Next::Step)
    }

    async fn send(&self, entries: &[Entry]) -> Result<(), DeliveryError> {
        match &self.consumer.way {
            Way::Webhook(webhook) => webhook.deliver(entries, self.clock.now_ms() / 1000).await,
            Way::Exchange(exchange) => exchange.deliver(entries).await,
        }
    }

    async fn entries(
        &mut self,
        row: &ConsumerRow,
        changes: Vec<entity::waha_changes::Model>,
    ) -> Result<Vec<Entry>, StoreError> {
        let sessions = changes.iter().map(|change| change.session_id);
        let unknown: Vec<i64> = sessions.filter(|id| !self.names.contains_key(id)).collect();
        if !unknown.is_empty() {
            self.names.extend(self.store.session_names(unknown).await?);
        }
        let none = SessionName { source: String::new(), name: String::new() };
        let told = self.store.with_rows(changes).await?.into_iter();
        let entry = |told: crate::store::operations::feed::ChangeWithRow| {
            let session = self.names.get(&told.change.session_id).unwrap_or(&none);
            Entry::of(told, row, session)
        };
        Ok(told.map(entry).collect())
    }

    async fn failed(
        &mut self,
        row: &ConsumerRow,
        error: &DeliveryError,
    ) -> Result<Next, StoreError> {
        self.metrics.failed(&self.consumer.name);
        if let DeliveryError::Unwanted = error {
            return self.give_up(row, ConsumerState::Paused, &error.to_string()).await;
        }
        let (mut outage, _) = self
            .backoff
            .take()
            .unwrap_or_else(|| (Outage::with_longest(self.timing.retry_longest), Instant::now()));
        let wait = outage.next_wait();
        if outage.is_news() {
            tracing::warn!(
                consumer = self.consumer.name,
                error = %error,
                retry.delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "a consumer of the feed takes nothing"
            );
        }
        self.backoff = Some((outage, Instant::now() + wait));
        let next_try_at = self.clock.now() + wait;
        self.store.note_failed_delivery(row, &error.to_string(), next_try_at).await?;
        Ok(Next::Poll)
    }

    /// Only an operator can have it go on.
    async fn give_up(
        &self,
        row: &ConsumerRow,
        state: ConsumerState,
        reason: &str,
    ) -> Result<Next, StoreError> {
        if self.store.stop_consumer(row, state, reason).await? {
            let name = &self.consumer.name;
            tracing::error!(consumer = name, reason, "nothing is delivered to a consumer any more");
        }
        Ok(Next::Poll)
    }

    async fn measure(&self, row: &ConsumerRow, feed: &FeedState) -> Result<(), StoreError> {
        let positions = (feed.position - row.position).max(0);
        let since = match positions {
            0 => None,
            _ => self.store.changed_at_after(row.position).await?,
        };
        let lag_ms = since.map_or(0, |at| (self.clock.now() - at).num_milliseconds().max(0));
        self.metrics.set_lag(&self.consumer.name, positions, lag_ms);
        Ok(())
    }
}
