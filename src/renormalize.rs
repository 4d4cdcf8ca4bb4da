//! Runs stored bodies of the ledger through the present normalizer and applies what they tell now:
//! how history fills tables that are younger than it. Called by `webhooks renormalize`.
//!
//! Invariant:
//! - Each webhook is applied under the receipt that made its row, in the transaction that updates
//!   the row. So nothing is doubled, a kill at any instant leaves no half, and it may run beside
//!   traffic, beside itself, and again.
//! - Memory is bounded: rows come in pages, bodies by `store/operations/batches`.
//! - It brings what registers decide up to date, also where they were told by the same webhook, and takes
//!   back what messages show that their webhooks don't tell any more (`store/apply/reread`). It takes no
//!   row away, and lowers nothing that only moves forward. A second run changes nothing.
//! - Dead letters are left to their replay, rows without a body to their fate; both are counted.

mod archived;
mod counts;

use std::time::{Duration, Instant};

use sea_orm::Order;

use crate::normalize::{NORMALIZER_VERSION, Rules, normalize};
use crate::store::apply::batch::{AppliedBatch, ApplyTask};
use crate::store::apply::halves::Halves;
use crate::store::apply::outcome::outcome;
use crate::store::audit::{Actor, AuditAction, AuditEntry};
use crate::store::operations::batches::parts;
use crate::store::operations::history::{LedgerFilter, LedgerOutcome, LedgerRow};
use crate::store::operations::hold::hold;
use crate::store::operations::page::RowPage;
use crate::store::{Store, StoreError};
use crate::webhook::Webhook;

pub use archived::ArchivedCounts;
pub use counts::{Change, Failed, RenormalizeCounts};

/// Rows read at a time, and most webhooks of a transaction.
const PAGE: usize = 200;
/// How often a ledger is read at most. Twice, if something was taken back; more only if traffic comes
/// between.
const PASSES_MAX: u32 = 4;

/// Where webhooks come from that are read again.
#[derive(Clone, Copy)]
enum HistorySource {
    Ledger,
    Archive,
}

/// How history is read again.
pub struct Renormalizer<'a> {
    /// The tables.
    pub store: &'a Store,
    /// What the configuration decides.
    pub rules: &'a Rules,
    /// Whether to write; else only the counts is made.
    pub writes: bool,
    /// Most webhooks per second.
    pub rate: Option<f64>,
}

/// The audit log's entry for reading again what `filter` names; the count follows at the end.
pub fn entry<'a>(filter: &LedgerFilter, actor: &'a Actor) -> AuditEntry<'a> {
    AuditEntry {
        filter: Some(filter.to_json()),
        new_values: Some(serde_json::json!({ "normalizer_version": NORMALIZER_VERSION })),
        ..AuditEntry::new(AuditAction::Renormalize, actor)
    }
}

impl Renormalizer<'_> {
    /// Reads again what `filter` names and what is in the ledger now. `ticked` is told how many
    /// rows are done with. An outage is waited for; an error is another failure to read.
    pub async fn run(
        &self,
        filter: LedgerFilter,
        mut ticked: impl FnMut(usize),
    ) -> Result<RenormalizeCounts, StoreError> {
        let started = Instant::now();
        let mut done = 0;
        // What comes meanwhile is read by the present normalizer anyway.
        let last_id = hold(|| self.store.history_end()).await?;
        let mut counts = self.pass(&filter, last_id, started, &mut done, &mut ticked).await?;
        // What others told where something was taken back has to be told again, also by those that have
        // just been read.
        let again = LedgerFilter { normalizer_below: None, ..filter };
        let mut taken_back = counts.taken_back;
        for _ in 1..PASSES_MAX {
            if taken_back == 0 {
                break;
            }
            let more = self.pass(&again, last_id, started, &mut done, &mut |_| ()).await?;
            taken_back = more.taken_back;
            counts.taken_back += taken_back;
        }
        Ok(counts)
    }

    /// Reads it once, up to a row of the ledger.
    async fn pass(
        &self,
        filter: &LedgerFilter,
        last_id: i64,
        started: Instant,
        done: &mut usize,
        ticked: &mut impl FnMut(usize),
    ) -> Result<RenormalizeCounts, StoreError> {
        let mut counts = RenormalizeCounts::default();
        let page_max = u64::try_from(PAGE).unwrap_or(u64::MAX);
        let mut page = RowPage { last_id, ..RowPage::first(page_max) };
        loop {
            let rows = hold(|| self.store.history(filter, page, Order::Asc)).await?;
            let Some(last) = rows.last() else { return Ok(counts) };
            page.after_id = last.id;
            let body_bytes = |row: &LedgerRow| row.body_bytes.unwrap_or_default();
            for rows in parts(&rows, self.rows_max(), body_bytes) {
                self.take(rows, &mut counts).await?;
                ticked(rows.len());
                *done += rows.len();
                self.slow_down(started, *done).await;
            }
        }
    }

    /// At a rate, no more than a second's worth at a time.
    fn rows_max(&self) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast saturates, and the result is clamped"
        )]
        self.rate.map_or(PAGE, |rate| (rate.ceil() as usize).clamp(1, PAGE))
    }

    async fn slow_down(&self, started: Instant, done: usize) {
        let Some(rate) = self.rate else { return };
        #[expect(clippy::cast_precision_loss, reason = "a ledger has far less than 2^52 rows")]
        let due = Duration::try_from_secs_f64(done as f64 / rate).unwrap_or(Duration::MAX);
        tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
    }

    async fn take(
        &self,
        rows: &[LedgerRow],
        counts: &mut RenormalizeCounts,
    ) -> Result<(), StoreError> {
        counts.seen += rows.len();
        let mut readable: Vec<&LedgerRow> = Vec::with_capacity(rows.len());
        for row in rows {
            if row.outcome == LedgerOutcome::DeadLettered {
                counts.dead_lettered += 1;
            } else {
                readable.push(row);
            }
        }
        let ids: Vec<i64> = readable.iter().map(|row| row.id).collect();
        let mut bodies = hold(|| self.store.bodies(&ids)).await?;
        let mut webhooks = Vec::with_capacity(readable.len());
        for row in readable {
            match bodies.remove(&row.id) {
                Some(Ok(body)) => webhooks.push((row, row.webhook(body))),
                Some(Err(error)) => counts.failed(row.id, error.cause.to_string()),
                None => counts.without_body(&row.event_type),
            }
        }
        self.apply(&webhooks, counts).await;
        Ok(())
    }

    async fn apply(&self, webhooks: &[(&LedgerRow, Webhook)], counts: &mut RenormalizeCounts) {
        let (mut rows, mut tasks) = (Vec::new(), Vec::new());
        for (row, webhook) in webhooks {
            match normalize(webhook, self.rules) {
                Ok(normalized) => {
                    let attempts = u32::try_from(row.attempts).unwrap_or(1);
                    tasks.push(ApplyTask { webhook, attempts, normalized });
                    rows.push(*row);
                }
                Err(error) => counts.failed(row.id, error.reason().to_owned()),
            }
        }
        self.apply_or_split(&rows, &tasks, counts).await;
    }

    /// As the worker does: what fails for a reason of its own stands alone in the end, and is left.
    async fn apply_or_split(
        &self,
        rows: &[&LedgerRow],
        tasks: &[ApplyTask<'_>],
        counts: &mut RenormalizeCounts,
    ) {
        let mut halves = Halves::of(tasks);
        let mut ends = Vec::with_capacity(tasks.len());
        while let Some(part) = halves.next_part() {
            match self.write(HistorySource::Ledger, part).await {
                Ok(applied) => {
                    counts.taken_back += applied.taken_back;
                    ends.extend(applied.outcomes.into_iter().map(Ok));
                }
                Err(error) => ends.extend(halves.split(part).map(|_| Err(error.detail()))),
            }
        }
        for (row, end) in rows.iter().zip(ends) {
            match end {
                Ok(outcome) => counts.ended(row, outcome),
                Err(error) => counts.failed(row.id, error),
            }
        }
    }

    async fn write(
        &self,
        from: HistorySource,
        tasks: &[ApplyTask<'_>],
    ) -> Result<AppliedBatch, StoreError> {
        if self.writes && !tasks.is_empty() {
            return match from {
                HistorySource::Ledger => hold(|| self.store.apply_again(tasks)).await,
                HistorySource::Archive => hold(|| self.store.apply_archived(tasks)).await,
            };
        }
        let outcomes = tasks.iter().map(|task| outcome(&task.normalized)).collect();
        Ok(AppliedBatch { outcomes, taken_back: 0 })
    }
}
