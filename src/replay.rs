//! Publishes dead letters again: the one place that does.
//!
//! A replay goes under its first receipt through the same queue, so it is safe at any time and
//! however often: applied twice, it changes nothing. It is a job in the tables (`store/operations/job.rs`) that
//! any process can go on with: what is marked and not known to be published comes first, then more is
//! marked. So a process that dies at any instant has neither left one out nor replayed one twice.
//!
//! Called by `dead-letters replay` and the admin API.

mod pace;

use std::time::{Duration, Instant};

use self::pace::{Backlog, Pace};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::outage::Outage;
use crate::queue::{Queue, QueueError};
use crate::store::operations::batches::parts;
use crate::store::operations::dead_letter::DeadLetter;
use crate::store::operations::hold::hold;
use crate::store::operations::job::{JobStart, JobStep, ReplayJob, ReplayRequest};
use crate::store::{Store, StoreError};
use crate::telemetry::cause::Causes;
use crate::trace::{Span, SpanName};

/// Dead letters marked and published at a time.
const STEP_MAX: u64 = 500;
/// How long a job waits before it looks at the queue again.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a job stopped before its end. It goes on when it is started again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The job's rows can't be read or written, for a reason that waiting does not mend.
    #[error("the replay can't be written down")]
    Store(#[from] StoreError),
    /// Another process has taken the job over.
    #[error("another process goes on with job {0}")]
    Lost(i64),
    /// The same filter is being replayed.
    #[error("job {id} replays the same, on behalf of {by}: see `dead-letters jobs`")]
    Busy {
        /// Its number.
        id: i64,
        /// Who asked for it.
        by: String,
    },
}

/// How a run of a job ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// All were replayed.
    Done(ReplayJob),
    /// An operator cancelled it.
    Cancelled(ReplayJob),
    /// This process stops; somebody else can go on.
    Stopped(ReplayJob),
}

/// What somebody who watches is told.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The job stands here.
    At(&'a ReplayJob),
    /// It waits until the queue has less to do.
    Waits,
}

/// Starts a job, or takes over one whose process has gone. Waits for the lease of a process that
/// died a moment ago; an error if it turns out to be alive.
pub async fn start(store: &Store, request: &ReplayRequest<'_>) -> Result<ReplayJob, ReplayError> {
    let mut first: Option<ReplayJob> = None;
    loop {
        match hold(|| store.start_job(request)).await? {
            JobStart::Started(job) | JobStart::Resumed(job) => return Ok(job),
            JobStart::Busy(job) => {
                let is_alive = first.as_ref().is_some_and(|first| {
                    first.id == job.id && first.leased_until < job.leased_until
                });
                if is_alive {
                    return Err(ReplayError::Busy { id: job.id, by: job.requested_by });
                }
                first.get_or_insert(job);
                tokio::time::sleep(PAUSE / 4).await;
            }
        }
    }
}

/// Runs a job to its end, or until `stop`.
pub async fn run(
    store: &Store,
    queue: &dyn Queue,
    mut job: ReplayJob,
    stop: &CancellationToken,
    mut watch: impl FnMut(Progress<'_>),
) -> Result<Ended, ReplayError> {
    let mut runner =
        Runner { store, queue, pace: Pace::new(job.rate, Instant::now()), backlog: Backlog::new() };
    loop {
        watch(Progress::At(&job));
        runner.publish_marked(&job).await?;
        if stop.is_cancelled() {
            hold(|| store.release_job(&job)).await?;
            return Ok(Ended::Stopped(job));
        }
        while runner.must_wait(&job).await? {
            watch(Progress::Waits);
            tokio::select! { () = tokio::time::sleep(PAUSE) => {} () = stop.cancelled() => break }
        }
        if stop.is_cancelled() {
            continue;
        }
        match hold(|| store.step_job(&job, runner.pace.step_max(STEP_MAX))).await? {
            JobStep::Marked(next) => {
                let count = next.replayed - job.replayed;
                job = next;
                runner.pace.did(count.unsigned_abs());
            }
            JobStep::Done(job) => return Ok(Ended::Done(job)),
            JobStep::Cancelled(job) => return Ok(Ended::Cancelled(job)),
            JobStep::Lost(job) => return Err(ReplayError::Lost(job.id)),
        }
    }
}

struct Runner<'a> {
    store: &'a Store,
    queue: &'a dyn Queue,
    pace: Pace,
    backlog: Backlog,
}

impl Runner<'_> {
    /// Publishes what is marked until nothing is left of it; the queue's outages are waited for.
    async fn publish_marked(&self, job: &ReplayJob) -> Result<(), ReplayError> {
        let mut outage = Outage::new();
        loop {
            let marked = hold(|| self.store.unpublished(job, STEP_MAX)).await?;
            if marked.is_empty() {
                return Ok(());
            }
            let mut refused = None;
            for part in parts(&marked, marked.len(), |(_, bytes)| *bytes) {
                let ids: Vec<i64> = part.iter().map(|(id, _)| *id).collect();
                refused = refused.or(self.publish(job, &ids).await?);
            }
            if let Some(error) = refused {
                warn_of(&error);
                tokio::time::sleep(outage.next_wait().min(PAUSE)).await;
                self.renew(job).await?;
            }
        }
    }

    /// Publishes these and notes those that the queue has; returns why it refused others.
    async fn publish(
        &self,
        job: &ReplayJob,
        ids: &[i64],
    ) -> Result<Option<QueueError>, ReplayError> {
        let letters = hold(|| self.store.whole_letters(ids)).await?;
        let attempts = letters.iter().map(|letter| self.publish_traced(letter));
        let results = join_all(attempts).await;
        let mut published = Vec::with_capacity(ids.len());
        let mut refused = None;
        for (letter, result) in letters.iter().zip(results) {
            match result {
                Ok(()) => published.push(letter.row.id),
                Err(error) => refused = Some(error),
            }
        }
        if !published.is_empty() {
            hold(|| self.store.note_published(job, &published)).await?;
        }
        Ok(refused)
    }

    /// Publishes one, as a further step of its trace.
    async fn publish_traced(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let (mut replaying, webhook) = Span::begin(SpanName::Replay, letter.webhook(), None);
        replaying.set("queue.backend", self.queue.backend());
        let published = self.queue.publish(webhook).await;
        published.inspect_err(|error| replaying.fail(error.to_string()))
    }

    /// Whether webhooks wait longer and longer; then replays wait, too. Keeps the lease.
    async fn must_wait(&mut self, job: &ReplayJob) -> Result<bool, ReplayError> {
        tokio::time::sleep(self.pace.wait(Instant::now())).await;
        if !self.backlog.is_due(Instant::now()) {
            return Ok(false);
        }
        let depth = self.queue.depth().await;
        let ready = depth.ok().map(|depth| depth.lanes.iter().map(|lane| lane.ready).sum());
        let waits = self.backlog.grows(ready, Instant::now());
        if waits {
            self.renew(job).await?;
        }
        Ok(waits)
    }

    async fn renew(&self, job: &ReplayJob) -> Result<(), ReplayError> {
        // A job that is no longer ours shows in the next step, which says why.
        hold(|| self.store.renew_job(job)).await?;
        Ok(())
    }
}

fn warn_of(error: &QueueError) {
    tracing::warn!(error = %Causes(error), "the queue refuses replays: waiting");
}
