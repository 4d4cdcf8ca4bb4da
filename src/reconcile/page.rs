//! What of a page of WAHA's list is missing here, and how it is written.

use chrono::{DateTime, Utc};

use super::problem::ReconcileProblem;
use super::row::{ListedRow, ToldRow, read_row};
use super::run::Reconciliation;
use super::walk::Ids;
use crate::normalize::Normalized;
use crate::outage::Outage;
use crate::store::apply::backfill::Backfill;
use crate::store::apply::batch::ApplyTask;
use crate::store::apply::halves::Halves;
use crate::store::apply::outcome::Outcome;
use crate::store::operations::reconciliations::{ListedMessage, PresentMessage};
use crate::store::{Store, StoreError};
use crate::waha_api::MessagePage;

/// Tries of what meets an outage or another transaction; then the reconciliation waits.
const TRIES_MAX: u32 = 5;
/// The table that has no row for us any more once another worker has the reconciliation.
const ROWS: &str = "reconciliations";

/// What a page had.
#[derive(Debug, Default)]
pub(super) struct PageSeen {
    /// Its rows.
    pub(super) ids: Ids,
    /// When the newest of them was sent, in Unix ms.
    pub(super) newest_ms: Option<i64>,
    /// Messages that were not seen before in the same window, for its findings.
    pub(super) new: Vec<SeenMessage>,
    /// When those were sent that can't be read and were not seen before.
    pub(super) unreadable_at: Vec<DateTime<Utc>>,
}

/// A message of the list, for what is found by hour.
#[derive(Debug)]
pub(super) struct SeenMessage {
    pub(super) at: DateTime<Utc>,
    pub(super) message: ListedMessage,
}

/// What is to be written of a page.
#[derive(Default)]
struct Wanted {
    missing: Vec<ToldRow>,
    /// Own messages that got further.
    raised: Vec<ToldRow>,
}

impl Reconciliation<'_> {
    /// Reads a page and writes what is missing. `seen`: what the window had so far; such rows are done.
    pub(super) async fn take_page(
        &mut self,
        page: &MessagePage,
        seen: &Ids,
    ) -> Result<PageSeen, ReconcileProblem> {
        let now_ms = self.clock.now().timestamp_millis();
        let read = |row| read_row(row, &self.owner, now_ms, self.rules);
        let rows: Vec<ListedRow> = page.rows().into_iter().filter_map(read).collect();
        let mut found = PageSeen::default();
        let mut told = Vec::new();
        for row in rows {
            found.newest_ms = found.newest_ms.max(row.at_ms);
            let is_new = found.ids.insert(row.id) && !seen.contains(&row.id);
            if !is_new || row.at_ms.is_some_and(|at_ms| !self.reads(at_ms)) {
                continue;
            }
            self.counts.listed += 1;
            if row.is_unreadable {
                self.counts.unreadable += 1;
                let at = row.at_ms.and_then(DateTime::from_timestamp_millis);
                found.unreadable_at.extend(at);
            }
            if let Some(message) = row.told {
                // Lists leave notices out, mostly: they are counted nowhere.
                let at = row.at_ms.filter(|_| !message.is_notice);
                let at = at.and_then(DateTime::from_timestamp_millis);
                let seen = |at| SeenMessage { at, message: message.message.clone() };
                found.new.extend(at.map(seen));
                told.push(message);
            }
        }
        self.take(told).await?;
        Ok(found)
    }

    /// Writes what is missing of these.
    async fn take(&mut self, told: Vec<ToldRow>) -> Result<(), ReconcileProblem> {
        let listed: Vec<ListedMessage> = told.iter().map(|row| row.message.clone()).collect();
        let present = self.store.presence(self.session_id, &listed).await?;
        let mut wanted = Wanted::default();
        for (row, present) in told.into_iter().zip(present) {
            match present {
                None => wanted.missing.push(row),
                Some(present) if present.is_placeholder && !row.is_placeholder => {
                    wanted.missing.push(row);
                }
                Some(present) if is_further(&row, present) => wanted.raised.push(row),
                Some(_) => {}
            }
        }
        let Some(fence) = self.fence else {
            self.counts.missing += wanted.missing.len() as u64;
            self.counts.raised += wanted.raised.len() as u64;
            return Ok(());
        };
        let refused = &mut self.counts.refused;
        let missing = Backfill { fence, is_missing: true };
        let missing = write(self.store, missing, &wanted.missing, refused).await?;
        let raised = Backfill { fence, is_missing: false };
        let raised = write(self.store, raised, &wanted.raised, refused).await?;
        self.counts.missing += missing;
        self.counts.raised += raised;
        self.metrics.found_missing(&self.owner.source, missing);
        Ok(())
    }
}

/// Whether an own message got further than is known here.
fn is_further(row: &ToldRow, present: PresentMessage) -> bool {
    present.from_me && row.status > present.status
}

/// Writes webhooks that were made from the list, in one transaction if none of them is refused. Returns how many
/// the ledger did not have.
async fn write(
    store: &Store,
    backfill: Backfill,
    rows: &[ToldRow],
    refused: &mut u64,
) -> Result<u64, ReconcileProblem> {
    let task = |row| {
        let ToldRow { webhook, changes, .. }: &ToldRow = row;
        ApplyTask { webhook, attempts: 1, normalized: Normalized::Changes(changes.clone()) }
    };
    let tasks: Vec<ApplyTask<'_>> = rows.iter().map(task).collect();
    let mut halves = Halves::of(&tasks);
    let mut written = 0;
    while let Some(part) = halves.next_part() {
        match apply(store, backfill, part).await {
            Ok(outcomes) => {
                written += outcomes.iter().filter(|it| **it != Outcome::Duplicate).count() as u64;
            }
            Err(StoreError::Vanished(ROWS)) => return Err(ReconcileProblem::Lost),
            Err(error) if error.class().is_blameless() => return Err(error.into()),
            Err(error) => {
                if halves.split(part).is_some() {
                    *refused += 1;
                    let error = error.detail();
                    tracing::warn!(error, "a message of WAHA's list can't be stored");
                }
            }
        }
    }
    Ok(written)
}

/// Tries again what an outage or another transaction is to blame for. The same webhooks: what an earlier try has
/// written after all is known by their receipts.
async fn apply(
    store: &Store,
    backfill: Backfill,
    tasks: &[ApplyTask<'_>],
) -> Result<Vec<Outcome>, StoreError> {
    let mut outage = Outage::new();
    let mut tries = 1;
    loop {
        match store.apply_backfilled(tasks, backfill).await {
            Err(error) if error.class().is_blameless() && tries < TRIES_MAX => {
                tries += 1;
                tokio::time::sleep(outage.next_wait()).await;
            }
            ended => return ended,
        }
    }
}
