//! Lets go of all of a kind, some rows at a time; `parts`, of months at once.

mod parts;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::RetentionKind;
use super::pace::Pace;
use crate::archive::{Archive, ArchiveError};
use crate::clock::Clock;
use crate::operations::{ArchivePage, LineError, archive_page};
use crate::queue::{Queue, QueueError};
use crate::store::operations::hold::hold;
use crate::store::operations::retention::month::Month;
use crate::store::operations::retention::{AgedPass, AgedTable, OfSources};
use crate::store::{Store, StoreError};

/// Rows of one statement: little enough for others to write in between.
pub(super) const ROWS_MAX: u64 = 500;

/// Rows of one file of the archive, which go in one transaction: a second of work.
const ARCHIVED_MAX: u64 = 5_000;
/// Messages of one statement: what hangs on them is in many tables.
const MESSAGES_MAX: u64 = 200;

/// What lets go of what is old.
#[derive(Clone)]
pub struct Cleaner {
    /// The tables.
    pub store: Arc<Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where webhooks wait; none where the ledger is left alone.
    pub queue: Option<Arc<dyn Queue>>,
    /// Where the ledger's rows are kept before they go; none: nowhere.
    pub archive: Option<Archive>,
    /// Most rows per second; none: only rests between them.
    pub rows_per_second: Option<u32>,
}

/// Why something could not be let go of.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The tables can't be read or written.
    #[error("the tables can't be read or written")]
    Store(#[from] StoreError),
    /// The queue can't be asked.
    #[error("the queue can't be asked what waits")]
    Queue(#[from] QueueError),
    /// The archive can't be written, or does not give back what was written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The rows can't be read.
    #[error("rows can't be archived")]
    Lines(#[from] LineError),
    /// A delivery that comes again after its row went would be counted twice.
    #[error("it is not known how old what waits in the queue is: try again when it is worked off")]
    WaitingUnknown,
}

impl Cleaner {
    /// Where the ledger's rows are kept before they go, for people.
    pub fn archive_place(&self) -> Option<&str> {
        self.archive.as_ref().map(Archive::place)
    }

    /// What is older goes, if nothing older waits.
    pub(super) fn before(&self, kind: RetentionKind, age_max: Duration) -> DateTime<Utc> {
        let before = self.clock.now() - age_max;
        match kind {
            RetentionKind::Ledger => Month::of(before).start(),
            RetentionKind::Bodies
            | RetentionKind::Messages
            | RetentionKind::Calls
            | RetentionKind::Statuses
            | RetentionKind::Changes
            | RetentionKind::DeadLetters
            | RetentionKind::Audit
            | RetentionKind::Probes => before,
        }
    }

    /// Lets go of all of a kind that is older than `age_max` now; returns how many rows that were.
    pub async fn let_go(
        &self,
        kind: RetentionKind,
        age_max: Duration,
    ) -> Result<u64, RetentionError> {
        self.let_go_of(kind, OfSources::All, age_max).await
    }

    /// The same of some sources, of a kind that has ages by source; of any other it is all.
    pub async fn let_go_of(
        &self,
        kind: RetentionKind,
        sources: OfSources,
        age_max: Duration,
    ) -> Result<u64, RetentionError> {
        let before = self.before(kind, age_max);
        match kind {
            RetentionKind::Bodies => self.forget_bodies(sources, before).await,
            RetentionKind::Ledger => self.drop_ledger(before).await,
            RetentionKind::Messages => self.drop_aged(AgedTable::Messages, sources, before).await,
            RetentionKind::Calls => self.drop_aged(AgedTable::Calls, sources, before).await,
            RetentionKind::Statuses => self.drop_aged(AgedTable::Statuses, sources, before).await,
            RetentionKind::Changes => self.cut(|| self.store.cut_feed(before, ROWS_MAX)).await,
            RetentionKind::DeadLetters => {
                self.cut(|| self.store.forget_letters(before, ROWS_MAX)).await
            }
            RetentionKind::Audit => {
                self.cut(|| self.store.forget_audit_logs(before, ROWS_MAX)).await
            }
            RetentionKind::Probes => self.cut(|| self.store.forget_probes(before, ROWS_MAX)).await,
        }
    }

    /// What has no cursor: `some` of it, as long as there is as much as could be taken.
    async fn cut<F>(&self, some: impl Fn() -> F) -> Result<u64, RetentionError>
    where
        F: Future<Output = Result<u64, StoreError>>,
    {
        let (mut pace, mut rows) = (self.pace(), 0);
        loop {
            let gone = some().await?;
            rows += gone;
            if gone < ROWS_MAX {
                return Ok(rows);
            }
            pace.rest(&self.store, gone).await?;
        }
    }

    async fn drop_aged(
        &self,
        table: AgedTable,
        sources: OfSources,
        before: DateTime<Utc>,
    ) -> Result<u64, RetentionError> {
        let (mut pass, mut pace) = (self.store.begin_aged_pass(table, sources).await?, self.pace());
        loop {
            let already = pass.forgotten;
            let goes_on = self.store.drop_aged(table, &mut pass, before, MESSAGES_MAX).await?;
            if !goes_on {
                return Ok(pass.forgotten);
            }
            pace.rest(&self.store, pass.forgotten - already).await?;
        }
    }

    async fn forget_bodies(
        &self,
        sources: OfSources,
        before: DateTime<Utc>,
    ) -> Result<u64, RetentionError> {
        let (mut pass, mut pace) = (self.store.begin_body_pass(sources).await?, self.pace());
        loop {
            let already = pass.forgotten;
            if !self.store.forget_bodies(&mut pass, before, ROWS_MAX).await? {
                return Ok(pass.forgotten);
            }
            pace.rest(&self.store, pass.forgotten - already).await?;
        }
    }

    async fn drop_ledger(&self, before: DateTime<Utc>) -> Result<u64, RetentionError> {
        let before = before.min(self.ended_until().await?);
        let whole = self.drop_parts(before).await?;
        let (mut pass, mut pace) = (self.store.begin_ledger_pass().await?, self.pace());
        while self.drop_some(&mut pass, before, &mut pace).await? {}
        Ok(whole + pass.forgotten)
    }

    /// Returns whether the pass goes on.
    async fn drop_some(
        &self,
        pass: &mut AgedPass,
        before: DateTime<Utc>,
        pace: &mut Pace,
    ) -> Result<bool, RetentionError> {
        let rows_max = if self.archive.is_some() { ARCHIVED_MAX } else { ROWS_MAX };
        let old = self.store.old_webhooks(pass, before, rows_max).await?;
        let mut gone = 0;
        for (month, ids) in old.ids {
            gone += match &self.archive {
                Some(archive) => self.archive_and_drop(archive, month, &ids, before).await?,
                None => hold(|| self.store.drop_webhooks(&ids, before)).await?,
            };
        }
        pass.forgotten += gone;
        self.store.keep_ledger_pass(pass, !old.goes_on).await?;
        pace.rest(&self.store, gone).await?;
        Ok(old.goes_on)
    }

    /// Rows go only once the archive has read back what it keeps of them.
    async fn archive_and_drop(
        &self,
        archive: &Archive,
        month: Month,
        ids: &[i64],
        before: DateTime<Utc>,
    ) -> Result<u64, RetentionError> {
        let (mut rest, mut gone) = (ids, 0);
        while !rest.is_empty() {
            let (page, looked_at) = archive_page(&self.store, rest).await?;
            tell_unreadable(&page);
            if !page.ids.is_empty() {
                archive.keep(month, &page).await?;
                gone += hold(|| self.store.drop_webhooks(&page.ids, before)).await?;
            }
            rest = &rest[looked_at.max(1)..];
        }
        Ok(gone)
    }

    /// Up to when nothing that the door took in waits any more.
    async fn ended_until(&self) -> Result<DateTime<Utc>, RetentionError> {
        let queue = self.queue.as_ref().ok_or(RetentionError::WaitingUnknown)?;
        let depth = queue.depth().await?;
        depth.ended_until(self.clock.now_ms()).ok_or(RetentionError::WaitingUnknown)
    }

    fn pace(&self) -> Pace {
        Pace::new(self.rows_per_second)
    }
}

fn tell_unreadable(page: &ArchivePage) {
    for error in &page.unreadable {
        tracing::warn!(webhook.row = error.id, %error, "stays in the ledger: it can't be archived");
    }
}
