//! Lets go of stored files: of old ones, of those whose messages were deleted here, and, if configured, of those
//! whose messages were taken back.
//!
//! Started by `lifecycle` beside the fetcher. Invariant: a row says that its file is let go of before it is
//! removed, and names it until it is.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::storage::{MediaStorage, StorageError};
use crate::clock::Clock;
use crate::store::operations::attachments::{AttachmentRow, RemovalReason};
use crate::store::{Store, StoreError};
use crate::telemetry::outage_log::OutageLog;

/// How often it is looked for what is to go.
const PAUSE: Duration = Duration::from_mins(10);
/// Rows of one statement.
const ROWS_MAX: u64 = 200;
/// Senders can take a message back for about two days; files that were stored before are not looked at again.
const REVOCABLE: Duration = Duration::from_hours(8 * 24);

/// What is let go of.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemovalRules {
    /// Files, so long after they were stored; none: never.
    pub age_max: Option<Duration>,
    /// Whether those of messages that their senders took back.
    pub removes_revoked: bool,
}

/// Lets go of files.
pub struct Removal {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    storage: MediaStorage,
    rules: RemovalRules,
    failures: OutageLog,
}

impl Removal {
    /// One that goes by these rules.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        storage: MediaStorage,
        rules: RemovalRules,
    ) -> Self {
        Self { store, clock, storage, rules, failures: OutageLog::new() }
    }

    /// Lets go now and every few minutes until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match stop.run_until_cancelled(self.remove_due()).await {
                // The worker reports an outage.
                Some(Err(error)) => {
                    tracing::debug!(error = error.detail(), "can't look for files to remove");
                }
                Some(Ok(0)) | None => {}
                Some(Ok(count)) => tracing::info!(files.count = count, "files were let go of"),
            }
            stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
    }

    /// Lets go of all that is to go now. Returns how many files were removed.
    pub async fn remove_due(&self) -> Result<u64, StoreError> {
        for reason in self.reasons() {
            while self.store.condemn_attachments(reason, ROWS_MAX).await? == ROWS_MAX {}
        }
        let mut removed = 0;
        let mut after_id = 0;
        loop {
            let rows = self.store.condemned_attachments(after_id, ROWS_MAX).await?;
            let Some(last) = rows.last() else { break };
            after_id = last.id;
            let ids = self.remove_files(&rows).await;
            self.store.note_removed(&ids).await?;
            removed += ids.len() as u64;
        }
        while self.store.forget_attachments(ROWS_MAX).await? == ROWS_MAX {}
        Ok(removed)
    }

    /// The rows whose files are removed. One that can't be removed keeps no other.
    async fn remove_files(&self, rows: &[AttachmentRow]) -> Vec<i64> {
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(key) = &row.storage_key else {
                ids.push(row.id);
                continue;
            };
            match self.storage.remove(key).await {
                Ok(()) => ids.push(row.id),
                Err(error) => self.log_kept(row.id, &error),
            }
        }
        ids
    }

    fn log_kept(&self, id: i64, error: &StorageError) {
        if let Some(line) = self.failures.failed(error) {
            tracing::warn!(
                attachment.id = id,
                error = line.error,
                "a file that was let go of can't be removed: it is tried again every 10 minutes"
            );
        }
    }

    fn reasons(&self) -> Vec<RemovalReason> {
        let now = self.clock.now();
        let mut reasons = vec![RemovalReason::MessageDeleted];
        reasons.extend(self.rules.age_max.map(|age_max| RemovalReason::Old(now - age_max)));
        if self.rules.removes_revoked {
            reasons.push(RemovalReason::MessageRevoked(now - REVOCABLE));
        }
        reasons
    }
}
