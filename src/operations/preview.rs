//! What a bulk action would touch, and how many would succeed if they were processed now.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::normalize::Rules;
use crate::operations::DryRun;
use crate::store::operations::batches::parts;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterSummary, FilterExtent};
use crate::store::operations::history::LedgerOutcome;
use crate::store::operations::hold::hold;
use crate::store::operations::page::RowPage;
use crate::store::{Store, StoreError};

/// Rows read at a time.
const PAGE: usize = 500;

/// What a filter names, and what would become of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Preview {
    /// How many, of what age, from where.
    #[serde(flatten)]
    pub extent: FilterExtent,
    /// How they would end if they were processed now.
    pub would_end: Prospect,
}

/// How many would end how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Prospect {
    /// Their changes would be in the tables.
    pub applied: u64,
    /// They would tell nothing for our tables.
    pub ignored: u64,
    /// They would be dead letters again, by reason.
    pub dead_lettered: BTreeMap<&'static str, u64>,
}

impl Prospect {
    /// Adds one.
    pub fn add(&mut self, reading: &DryRun) {
        match reading.outcome {
            LedgerOutcome::Applied => self.applied += 1,
            LedgerOutcome::Ignored => self.ignored += 1,
            LedgerOutcome::DeadLettered => {
                *self.dead_lettered.entry(reading.reason.unwrap_or_default()).or_default() += 1;
            }
        }
    }

    /// How many would not be dead letters again.
    pub fn succeed(&self) -> u64 {
        self.applied + self.ignored
    }
}

/// Looks at everything that a filter names; changes nothing. `ticked` is told how many were read.
pub async fn forecast(
    store: &Store,
    rules: &Rules,
    filter: &DeadLetterFilter,
    mut ticked: impl FnMut(u64),
) -> Result<Preview, StoreError> {
    let extent = hold(|| store.dead_letter_extent(filter)).await?;
    let mut would_end = Prospect::default();
    let mut page = RowPage { last_id: extent.last_id, ..RowPage::first(PAGE as u64) };
    loop {
        let rows = hold(|| store.dead_letters(filter, page)).await?;
        let Some(last) = rows.last() else { return Ok(Preview { extent, would_end }) };
        page.after_id = last.id;
        for part in parts(&rows, PAGE, |row: &DeadLetterSummary| row.body_bytes) {
            let ids: Vec<i64> = part.iter().map(|row| row.id).collect();
            for letter in hold(|| store.whole_letters(&ids)).await? {
                would_end.add(&DryRun::of(&letter.webhook(), rules));
            }
            ticked(part.len() as u64);
        }
    }
}
