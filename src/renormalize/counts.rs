//! What came of reading history again.

use std::collections::BTreeMap;

use crate::store::apply::outcome::Outcome;
use crate::store::operations::history::LedgerRow;

/// Failures that are named one by one; the rest are counted.
const FAILED_NAMED_MAX: usize = 100;

/// Counts of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenormalizeCounts {
    /// All that were looked at.
    pub seen: usize,
    /// Those that were read again, by what changed.
    pub ended: BTreeMap<Change, usize>,
    /// Those whose body is not stored, by event type: nothing can be done about them.
    pub without_body: BTreeMap<String, usize>,
    /// How many messages lost something that their webhooks don't tell any more.
    pub taken_back: usize,
    /// Dead letters, which are left to their replay.
    pub dead_lettered: usize,
    /// Those that could not be read or written and were left as they are.
    pub failed: usize,
    /// The first of them.
    pub failures: Vec<Failed>,
}

/// Outcomes as `outcome` or `outcome (reason)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// WAHA's name of what happened.
    pub event_type: String,
    /// The outcome that the ledger had.
    pub before: String,
    /// The outcome now.
    pub after: String,
}

/// A row that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its number in the ledger.
    pub id: i64,
    /// Why, without its content.
    pub error: String,
}

impl RenormalizeCounts {
    /// How many were read again.
    pub fn read_again(&self) -> u64 {
        self.ended.values().sum::<usize>() as u64
    }

    pub(super) fn ended(&mut self, row: &LedgerRow, outcome: Outcome) {
        let change = Change {
            event_type: row.event_type.clone(),
            before: shown(row.outcome.name(), row.reason.as_deref()),
            after: shown(outcome.name(), outcome.reason()),
        };
        *self.ended.entry(change).or_default() += 1;
    }

    pub(super) fn without_body(&mut self, event_type: &str) {
        *self.without_body.entry(event_type.to_owned()).or_default() += 1;
    }

    pub(super) fn failed(&mut self, id: i64, error: String) {
        self.failed += 1;
        if self.failures.len() < FAILED_NAMED_MAX {
            self.failures.push(Failed { id, error });
        }
    }
}

fn shown(outcome: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| outcome.to_owned(), |reason| format!("{outcome} ({reason})"))
}
