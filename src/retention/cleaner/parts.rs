//! Months that are over go at once, where the ledger is divided by them; the archive has their rows first.
//!
//! Invariants:
//! - Only what the archive has as it is goes with a part. All else stays (`ArchivedPart::lacking`), and is looked at
//!   again as a row.
//! - What stays is not archived, so that the archive has a row once, when it goes.
//! - Before anything is archived, what a run that was cut off took out is counted or put back.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};

use super::{ARCHIVED_MAX, Cleaner, RetentionError, tell_unreadable};
use crate::archive::Archive;
use crate::operations::archive_page;
use crate::store::months::MonthTable;
use crate::store::operations::processes::AHEAD_MAX;
use crate::store::operations::retention::month::Month;
use crate::store::operations::retention::{ArchivedPart, DuePart, KEPT_MAX, PartLimit};

impl Cleaner {
    /// Returns how many webhooks went.
    pub(super) async fn drop_parts(&self, before: DateTime<Utc>) -> Result<u64, RetentionError> {
        let (mut pace, mut webhooks) = (self.pace(), 0);
        self.store.finish_parts(before, self.archive.is_some()).await?;
        let parts = self.store.due_parts(before).await?;
        if !parts.is_empty() {
            // A table whose last part went would be taken for one that is whole, and get none any more.
            self.store.ensure_months().await?;
        }
        for due in parts {
            let Some(stays) = self.store.rows_that_stay(&due, before).await? else { continue };
            let archived = match &self.archive {
                Some(archive) if due.table == MonthTable::Ledger => {
                    let archived = self.archive_part(archive, &due, before, stays).await?;
                    if archived.is_none() {
                        continue;
                    }
                    archived
                }
                _ => None,
            };
            let gone = self.store.drop_part(&due, &PartLimit { before, archived }).await?;
            webhooks += gone.filter(|_| due.table == MonthTable::Ledger).unwrap_or_default();
            pace.rest(&self.store, 0).await?;
        }
        Ok(webhooks)
    }

    /// Keeps the rows of a part of the ledger, but those that stay. None if it is not to go: all stays that is in it,
    /// or too much.
    async fn archive_part(
        &self,
        archive: &Archive,
        due: &DuePart,
        before: DateTime<Utc>,
        stays: Vec<i64>,
    ) -> Result<Option<ArchivedPart>, RetentionError> {
        // Clocks of workers differ.
        let at = self.clock.now() - AHEAD_MAX;
        let staying: HashSet<i64> = stays.iter().copied().collect();
        let (mut after, mut kept, mut lacking) = (0, 0, stays);
        loop {
            let rows =
                self.store.rows_of_part(&due.part, (before, at), after, ARCHIVED_MAX).await?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            let mut by_month = BTreeMap::<Month, Vec<i64>>::new();
            for (id, month) in rows.into_iter().filter(|(id, _)| !staying.contains(id)) {
                by_month.entry(month).or_default().push(id);
            }
            for (month, ids) in by_month {
                let known = self.archive_all(archive, month, &ids).await?;
                kept += known.len();
                lacking.extend(ids.into_iter().filter(|id| !known.contains(id)));
            }
        }
        let is_worth_it = kept > 0 || lacking.is_empty();
        let is_little = lacking.len() as u64 <= KEPT_MAX;
        Ok((is_worth_it && is_little).then_some(ArchivedPart { at, lacking }))
    }

    /// Returns those that the archive has now: not those that can't be read, nor what a replica does not know yet.
    async fn archive_all(
        &self,
        archive: &Archive,
        month: Month,
        ids: &[i64],
    ) -> Result<HashSet<i64>, RetentionError> {
        let (mut rest, mut kept) = (ids, HashSet::with_capacity(ids.len()));
        while !rest.is_empty() {
            let (page, looked_at) = archive_page(&self.store, rest).await?;
            tell_unreadable(&page);
            if !page.ids.is_empty() {
                archive.keep(month, &page).await?;
                kept.extend(page.ids);
            }
            rest = &rest[looked_at.max(1)..];
        }
        Ok(kept)
    }
}
