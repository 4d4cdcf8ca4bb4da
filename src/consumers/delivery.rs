//! What is done for one consumer, for ever: look what it was not told, tell it, move its cursor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::entry::{Batch, Entry};
use super::lease::Lease;
use super::{Consumer, DeliveryError, Way};
use crate::clock::Clock;
use crate::metrics::consumers::ConsumerMetrics;
use crate::operations::ChangeReport;
use crate::outage::Outage;
use crate::store::operations::consumers::{ConsumerRow, ConsumerState, SessionName, cursor};
use crate::store::operations::feed::{ChangePage, ChangeWithRow, FeedState, Gone, PageWithRows};
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
    /// Changes of the next batch at most: one after a failure, then twice as many each time.
    width: u64,
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
        let width = consumer.batch_max;
        let (backoff, names) = (None, HashMap::new());
        Self { store, clock, consumer, metrics, timing, lease, width, backoff, names }
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
        // After the state: a session that it tells of has its row.
        let filter = self.store.change_filter(&self.consumer.subscription).await?;
        // Also where another process failed.
        let limit = if row.failing_since.is_some() { 1 } else { self.width };
        self.store.changes_after(feed, cursor(row), &filter, limit).await
    }

    async fn tell(&mut self, row: ConsumerRow, page: ChangePage) -> Result<Next, StoreError> {
        let batch = self.batch(&row, page).await?;
        let count = batch.entries.len();
        if count > 0 {
            if !self.lease.lasts() {
                // Reading took so long that another process may deliver by now.
                return Ok(Next::Step);
            }
            let sent = self.send(&batch.entries).await;
            if let Err(error) = sent {
                return self.failed(&row, &batch, &error).await;
            }
            self.metrics.delivered(&self.consumer.name, count);
            self.backoff = None;
            self.width = self.width.saturating_mul(2).min(self.consumer.batch_max);
        }
        let began = Instant::now();
        if let Some(row) = self.store.advance_consumer(&row, batch.position, count > 0).await? {
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

    async fn batch(&mut self, row: &ConsumerRow, page: ChangePage) -> Result<Batch, StoreError> {
        let sessions = page.changes.iter().map(|change| change.session_id);
        let unknown: Vec<i64> = sessions.filter(|id| !self.names.contains_key(id)).collect();
        if !unknown.is_empty() {
            self.names.extend(self.store.session_names(unknown).await?);
        }
        let bytes_max = self.consumer.batch_bytes_max;
        let PageWithRows { changes, position } = self.store.with_rows(page, bytes_max).await?;
        let entry = |told: ChangeWithRow| {
            let session = self.names.get(&told.change.session_id).cloned().unwrap_or_default();
            Entry::new(&ChangeReport::with_row(told, session), row)
        };
        let mut batch = Batch { entries: changes.into_iter().map(entry).collect(), position };
        batch.shorten_to(bytes_max);
        Ok(batch)
    }

    async fn failed(
        &mut self,
        row: &ConsumerRow,
        batch: &Batch,
        error: &DeliveryError,
    ) -> Result<Next, StoreError> {
        self.metrics.failed(&self.consumer.name);
        self.width = 1;
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
        let noted = noted(error, batch, row.last_error.as_deref());
        self.store.note_failed_delivery(row, &noted, next_try_at).await?;
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

/// What is kept of an error: that a connection is closed does not say why, and what was said before does.
fn noted(error: &DeliveryError, batch: &Batch, before: Option<&str>) -> String {
    match (error, before) {
        (DeliveryError::Closed(_), Some(before)) => before.to_owned(),
        _ => format!("{error} ({})", batch.named()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_stays_while_it_is_only_known_that_a_connection_is_closed() {
        let batch = Batch { entries: Vec::new(), position: 1 };
        let closed = DeliveryError::Closed("closed".to_owned());
        assert_eq!(noted(&closed, &batch, Some("no right (position 1)")), "no right (position 1)");
        assert_eq!(noted(&closed, &batch, None), "closed ()");
        let failed = DeliveryError::Failed("refused".to_owned());
        assert_eq!(noted(&failed, &batch, Some("no right")), "refused ()");
    }
}
