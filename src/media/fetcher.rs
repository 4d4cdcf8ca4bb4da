//! Which file is fetched next, several at a time: as soon as a message has told one, and now and then for what
//! waits for its next try.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::asking::{Asking, Place};
use super::problem::FetchProblem;
use super::storage::{self, MediaStorage, StorageError};
use crate::circuit_breaker::CircuitBreaker;
use crate::clock::Clock;
use crate::metrics::media::{MediaMetrics, MediaOutcome};
use crate::outage::Outage;
use crate::retry::RetryPolicy;
use crate::store::operations::attachments::{
    AttachmentEnd, AttachmentState, AttachmentTask, LeftAlone,
};
use crate::store::{Store, StoreError};
use crate::telemetry::outage_log::OutageLog;
use crate::waha_api::WahaApi;

/// How often it is looked for what is due, if nobody says that something is.
const POLL: Duration = Duration::from_secs(5);
/// How long a worker that died keeps a file: less than WAHA does, which deletes it after three minutes.
const LEASE: Duration = Duration::from_secs(60);
/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(20);
/// How long after a failed try the next one comes; then it is given up.
const RETRIES_S: [u64; 5] = [60, 600, 3_600, 86_400, 604_800];
/// Share of that which is random.
const JITTER: f64 = 0.2;

impl AttachmentTask {
    /// Where this try writes the file.
    pub(super) fn storage_key(&self) -> String {
        let place = &self.place;
        storage::key(&place.source, &place.session, self.row.id, self.row.lease_number)
    }
}

/// What bounds fetching.
#[derive(Clone, Debug)]
pub struct FetchLimits {
    /// Largest file that is taken.
    pub bytes_max: u64,
    /// Files at a time.
    pub concurrency: usize,
    /// When a failed try is repeated.
    pub retries: RetryPolicy,
    /// How often it is looked for what is due.
    pub poll: Duration,
}

impl FetchLimits {
    /// With the usual waits.
    pub fn new(bytes_max: u64, concurrency: usize) -> Self {
        let delays = RETRIES_S.map(Duration::from_secs).to_vec();
        Self { bytes_max, concurrency, retries: RetryPolicy { delays, jitter: JITTER }, poll: POLL }
    }
}

/// Fetches files.
pub struct Fetcher {
    pub(super) apis: HashMap<String, WahaApi>,
    pub(super) storage: MediaStorage,
    pub(super) limits: FetchLimits,
    pub(super) asking: Asking,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    metrics: MediaMetrics,
    /// While nothing can be stored, nothing is fetched but to see.
    storage_breaker: CircuitBreaker,
    storage_log: OutageLog,
}

impl Fetcher {
    /// One that asks these WAHAs.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        apis: Vec<WahaApi>,
        storage: MediaStorage,
        limits: FetchLimits,
        metrics: MediaMetrics,
    ) -> Self {
        let apis = apis.into_iter().map(|api| (api.source().to_owned(), api)).collect();
        Self {
            apis,
            storage,
            limits,
            asking: Asking::default(),
            store,
            clock,
            metrics,
            storage_breaker: CircuitBreaker::new(),
            storage_log: OutageLog::new(),
        }
    }

    /// Fetches until `stop`; what is on its way then is given back.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut fetching = JoinSet::new();
        let mut outage = Outage::new();
        while !stop.is_cancelled() {
            let has_room = match self.fill(&mut fetching, &stop).await {
                Ok(has_room) => has_room,
                Err(error) => {
                    // The worker reports an outage.
                    tracing::debug!(error = error.detail(), "can't look for files to fetch");
                    stop.run_until_cancelled(tokio::time::sleep(outage.next_wait())).await;
                    continue;
                }
            };
            outage = Outage::new();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = fetching.join_next() => {}
                () = self.store.file_told(), if has_room => {}
                () = tokio::time::sleep(self.limits.poll) => self.measure().await,
            }
        }
        fetching.join_all().await;
    }

    /// Begins with files that are due, as many as there is room for. Returns whether there is room left.
    async fn fill(
        self: &Arc<Self>,
        fetching: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        while fetching.len() < self.limits.concurrency && self.storage_breaker.rest().is_none() {
            let Some(task) = self.store.take_attachment(&self.left_alone(), LEASE).await? else {
                return Ok(true);
            };
            // Taken before the next file is looked for.
            let is_late = task.is_late(self.clock.now());
            let place = is_late.then(|| self.asking.place(task.row.session_id));
            fetching.spawn(Arc::clone(self).fetch_one(task, place, stop.clone()));
        }
        Ok(false)
    }

    /// What is not to be fetched at the moment.
    fn left_alone(&self) -> LeftAlone {
        let resting = self.apis.iter().filter(|(_, api)| api.rest().is_some());
        LeftAlone {
            sources: resting.map(|(source, _)| source.clone()).collect(),
            old_of_sessions: self.asking.busy(),
            // Loading again takes WAHA long: half of the room stays for files whose links live yet.
            all_old: self.asking.count() >= self.limits.concurrency.div_ceil(2),
        }
    }

    async fn fetch_one(
        self: Arc<Self>,
        task: AttachmentTask,
        place: Option<Place>,
        stop: CancellationToken,
    ) {
        let ended = tokio::select! {
            ended = self.attempt(&task, place) => Some(ended),
            // Another worker has it.
            () = self.keep(&task) => return,
            () = stop.cancelled() => None,
        };
        let written = match ended {
            Some(Ok(stored)) => {
                self.storage_breaker.succeeded();
                self.storage_log.worked();
                self.end(&task, AttachmentEnd::Stored(stored)).await
            }
            Some(Err(problem)) => self.give_up(&task, &problem).await,
            None => self.store.release_attachment(&task).await,
        };
        if let Err(error) = written {
            // Its lease ends; then it is fetched once more.
            tracing::debug!(error = error.detail(), "can't write what became of a file");
        }
    }

    /// Renews the lease; ends when it is lost.
    async fn keep(&self, task: &AttachmentTask) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            // While the database is away, the others can't take it either.
            if let Ok(false) = self.store.renew_attachment(task, LEASE).await {
                return;
            }
        }
    }

    async fn give_up(
        &self,
        task: &AttachmentTask,
        problem: &FetchProblem,
    ) -> Result<(), StoreError> {
        self.note_storage(problem);
        let now = self.clock.now();
        let end = problem.end(task.row.tries, &self.limits.retries, now, random());
        tracing::debug!(
            attachment.id = task.row.id,
            reason = problem.reason(),
            "a file was not fetched"
        );
        self.end(task, end).await
    }

    /// One line when storing begins to fail, and one a minute.
    fn note_storage(&self, problem: &FetchProblem) {
        let FetchProblem::Storage(_) = problem else { return };
        self.storage_breaker.failed();
        if let Some(line) = self.storage_log.failed(problem) {
            let (error, count) = (line.error, line.failures);
            tracing::error!(error, files.count = count, "files of messages wait");
        }
    }

    async fn end(&self, task: &AttachmentTask, end: AttachmentEnd) -> Result<(), StoreError> {
        let (outcome, stored, bytes) = match &end {
            AttachmentEnd::Stored(file) => (MediaOutcome::Stored, true, file.size_bytes),
            AttachmentEnd::Waits { .. } => (MediaOutcome::Retried, false, 0),
            AttachmentEnd::Final { state, .. } => (outcome(*state), false, 0),
        };
        let has_ended = !matches!(end, AttachmentEnd::Waits { .. });
        let is_written = self.store.end_attachment(task, end).await?;
        if is_written {
            self.metrics.ended(&task.place.source, outcome, bytes);
        }
        if is_written && has_ended {
            self.sweep_others(task).await;
        } else if stored {
            // Another worker has the file.
            told(self.storage.remove(&task.storage_key()).await);
        }
        Ok(())
    }

    /// Removes what tries before this one left, such as a file whose worker died before its row said so. A first
    /// try has none before it: nobody is asked then.
    async fn sweep_others(&self, task: &AttachmentTask) {
        if task.row.lease_number > 1 {
            told(self.storage.remove_beside(&task.storage_key()).await);
        }
    }

    async fn measure(&self) {
        let Ok(waiting) = self.store.waiting_files().await else { return };
        let age = |at: DateTime<Utc>| (self.clock.now() - at).num_milliseconds().max(0);
        self.metrics.set_waiting(waiting.count, waiting.oldest_at.map_or(0, age));
    }
}

/// What is left of a file costs room, and nothing else.
fn told(removed: Result<(), StorageError>) {
    if let Err(error) = removed {
        tracing::debug!(error = %error, "can't remove what a try left of a file");
    }
}

fn outcome(state: AttachmentState) -> MediaOutcome {
    match state {
        AttachmentState::Stored => MediaOutcome::Stored,
        AttachmentState::Gone => MediaOutcome::Gone,
        AttachmentState::Refused => MediaOutcome::Refused,
        AttachmentState::Failed | AttachmentState::Removed | AttachmentState::Waiting => {
            MediaOutcome::Failed
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "jitter must differ between workers")]
fn random() -> f64 {
    use rand::RngExt;
    rand::rng().random()
}
