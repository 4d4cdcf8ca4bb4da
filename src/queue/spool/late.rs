//! The spool file as soon as it can be opened: a disk that is full or read-only when a process starts must
//! not keep it from taking webhooks while the broker is up.
//!
//! Made by `spool.rs`. Invariant: a file that is not ours to use, or of a newer release, is an
//! error at start; only a disk that fails is waited for.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::ErrorCode;
use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::queue::sqlite::{FileMark, Options, SqliteQueue};
use crate::queue::{
    BatchLimit, Delivery, Depth, Failure, Hastened, Lane, Queue, QueueError, RetryChoice, Retrying,
};
use crate::telemetry::cause::{self, Causes};
use crate::webhook::Webhook;

/// How often opening is tried again.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// A spool file that may not be open yet.
pub(super) struct LateQueue {
    path: PathBuf,
    options: Options,
    file: OnceLock<SqliteQueue>,
    /// When opening was last tried, and why it failed.
    tried: Mutex<(Instant, String)>,
}

impl LateQueue {
    /// Opens the file, or goes on trying if the disk fails.
    pub(super) fn open(path: &Path, options: Options) -> Result<Self, QueueError> {
        let (file, words) = match SqliteQueue::open_or_mend(path, options.clone()) {
            Ok(file) => (OnceLock::from(file), String::new()),
            Err(error) if is_disk(&error, path) => {
                tracing::error!(
                    error = %Causes(&error),
                    path = %path.display(),
                    "the spool can't be opened: without the broker webhooks are refused until it can"
                );
                (OnceLock::new(), cause::words(&error))
            }
            Err(error) => return Err(error),
        };
        let tried = Mutex::new((Instant::now(), words));
        Ok(Self { path: path.to_owned(), options, file, tried })
    }

    /// Which file it is, and how far it has come; none before it is open.
    pub(super) fn mark(&self) -> Option<FileMark> {
        self.file.get().and_then(SqliteQueue::mark)
    }

    /// The file, if it is open or can be opened now.
    async fn file(&self) -> Result<&SqliteQueue, QueueError> {
        if self.file.get().is_none() && self.is_due() {
            let (path, options) = (self.path.clone(), self.options.clone());
            let opening = move || SqliteQueue::open_or_mend(path, options);
            let opened = tokio::task::spawn_blocking(opening).await;
            self.take(opened.unwrap_or(Err(QueueError::Closed)));
        }
        self.file.get().ok_or_else(|| QueueError::File {
            path: self.path.display().to_string(),
            problem: format!("it is not open yet: {}", self.tried().1),
        })
    }

    fn take(&self, opened: Result<SqliteQueue, QueueError>) {
        match opened {
            Ok(file) => {
                tracing::info!(path = %self.path.display(), "the spool is open");
                // Somebody else was faster: two handles on one file do no harm.
                let _ = self.file.set(file);
            }
            Err(error) => self.tried().1 = cause::words(&error),
        }
    }

    fn is_due(&self) -> bool {
        let mut tried = self.tried();
        let is_due = tried.0.elapsed() >= TRY_EVERY;
        if is_due {
            tried.0 = Instant::now();
        }
        is_due
    }

    fn tried(&self) -> std::sync::MutexGuard<'_, (Instant, String)> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the disk failed, and may be mended.
fn is_disk(error: &QueueError, path: &Path) -> bool {
    let QueueError::Sqlite(error) = error else { return false };
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => true,
        // Of a file that somebody else owns they tell the same.
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => is_read_only(path),
        _ => false,
    }
}

/// Whether the disk of a file is mounted for reading only.
fn is_read_only(path: &Path) -> bool {
    let disk = path.parent().and_then(|folder| statvfs(folder).ok());
    disk.is_some_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[async_trait]
impl Queue for LateQueue {
    fn backend(&self) -> &'static str {
        "spool"
    }

    async fn publish(&self, webhook: Webhook) -> Result<(), QueueError> {
        self.file().await?.publish(webhook).await
    }

    async fn receive(
        &self,
        lane: Lane,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.file().await?.receive(lane, limit, wait).await
    }

    async fn ack(&self, deliveries: Vec<Delivery>) -> Result<(), QueueError> {
        self.file().await?.ack(deliveries).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        failure: Failure,
        after: Duration,
    ) -> Result<(), QueueError> {
        self.file().await?.retry(delivery, failure, after).await
    }

    async fn retrying(&self, count_max: usize) -> Result<Retrying, QueueError> {
        self.file().await?.retrying(count_max).await
    }

    async fn retry_now(
        &self,
        choice: RetryChoice,
        count_max: usize,
    ) -> Result<Hastened, QueueError> {
        self.file().await?.retry_now(choice, count_max).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.file().await?.depth().await
    }

    async fn probe(&self) -> Result<(), QueueError> {
        self.file().await?.probe().await
    }
}
