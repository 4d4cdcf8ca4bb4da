//! How the ledger, its repetitions and its bodies are kept: whole, or in a part for each month.
//!
//! Read by whoever writes or drops their rows; `operations/partition` makes parts of whole tables. Parts for months
//! to come are made ahead (`retention`), one that is missing before the transaction that needs it.
//!
//! Reading order: this file, what is known of it; `parts`, how it is read and how a part is made.
//!
//! Invariants:
//! - A part holds the months that its bounds say. No part takes what has none: the database refuses it, and the
//!   part is made.
//! - The first part is the table as it was. In it are rows of month 0 whose bodies tell a month of its range, written
//!   by a release before; so who writes a webhook of that range looks for its row of month 0 first.
//! - What is known here may be old. Who relies on it then gets an error (PostgreSQL knows no such key, or no such
//!   part) or two rows of one webhook (MySQL), writes nothing, and reads it anew.
//!
//! May import `sql`.

mod parts;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::sql::dialect::Dialect;

pub(in crate::store) use parts::{add_part, read};

/// What is known is read anew after this.
const AGE_MAX: Duration = Duration::from_secs(30);

/// A table whose rows have a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MonthTable {
    /// `webhook_duplicates`.
    Duplicates,
    /// `webhook_bodies`.
    Bodies,
    /// `webhook_events`.
    Ledger,
}

impl MonthTable {
    /// Every one; what points to the ledger comes before it.
    pub const ALL: [Self; 3] = [Self::Duplicates, Self::Bodies, Self::Ledger];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Duplicates => "webhook_duplicates",
            Self::Bodies => "webhook_bodies",
            Self::Ledger => "webhook_events",
        }
    }

    pub(in crate::store) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// A part of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthPart {
    /// Its name: on PostgreSQL that of a table, else that of a partition.
    pub name: String,
    /// Its first month; of the first part 0.
    pub first: i32,
    /// Its last month.
    pub last: i32,
}

impl MonthPart {
    /// Whether rows of a month are in it.
    pub fn holds(&self, month: i32) -> bool {
        (self.first..=self.last).contains(&month)
    }
}

/// How a table is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableLayout {
    /// Whether the month is part of its keys.
    pub is_keyed: bool,
    /// Its parts in the order of their months; none: it is whole.
    pub parts: Vec<MonthPart>,
}

impl TableLayout {
    /// Whether it has parts, and none for this month.
    pub fn lacks(&self, month: i32) -> bool {
        !self.parts.is_empty() && !self.parts.iter().any(|part| part.holds(month))
    }

    /// Whether a row of month 0 may be that of a webhook of this month.
    fn may_hide(&self, month: i32) -> bool {
        let is_beside = |part: &MonthPart| part.holds(0) && part.holds(month);
        self.is_keyed && (self.parts.is_empty() || self.parts.iter().any(is_beside))
    }
}

/// How the three tables are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MonthLayout {
    tables: [TableLayout; MonthTable::ALL.len()],
}

impl MonthLayout {
    /// How this one is kept.
    pub fn of(&self, table: MonthTable) -> &TableLayout {
        &self.tables[table as usize]
    }

    /// Whether a webhook of this month may have a row of month 0 in the ledger.
    pub(in crate::store) fn may_hide(&self, month: i32) -> bool {
        month != 0 && self.of(MonthTable::Ledger).may_hide(month)
    }

    /// Tables that lack a part for a month, with the month.
    pub(in crate::store) fn missing(
        &self,
        months: impl IntoIterator<Item = i32>,
    ) -> Vec<(MonthTable, i32)> {
        let of = |month| {
            let lacks = move |table: &MonthTable| self.of(*table).lacks(month);
            MonthTable::ALL.into_iter().filter(lacks).map(move |table| (table, month))
        };
        months.into_iter().flat_map(of).collect()
    }
}

/// What is known, and since when.
#[derive(Debug, Default)]
pub(in crate::store) struct KnownLayout(Mutex<Option<(Instant, Arc<MonthLayout>)>>);

impl KnownLayout {
    /// What is known and not old. SQLite keeps its tables whole.
    pub(in crate::store) fn get(&self, dialect: Dialect) -> Option<Arc<MonthLayout>> {
        if dialect == Dialect::Sqlite {
            return Some(Arc::default());
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, layout) = known.as_ref()?;
        (since.elapsed() < AGE_MAX).then(|| Arc::clone(layout))
    }

    pub(in crate::store) fn learn(&self, layout: &Arc<MonthLayout>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), Arc::clone(layout)));
    }

    pub(in crate::store) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: i32, last: i32) -> MonthPart {
        MonthPart { name: String::new(), first, last }
    }

    #[test]
    fn rows_without_a_month_are_looked_for_where_older_releases_wrote() {
        let whole = TableLayout::default();
        assert!(!whole.may_hide(202_611) && !whole.lacks(202_611));
        let keyed = TableLayout { is_keyed: true, parts: Vec::new() };
        assert!(keyed.may_hide(202_611) && !keyed.lacks(202_611));
        let parts = vec![part(0, 202_612), part(202_701, 202_701)];
        let parted = TableLayout { is_keyed: true, parts };
        assert!(parted.may_hide(202_611) && !parted.may_hide(202_701));
        assert!(!parted.lacks(0) && !parted.lacks(202_701) && parted.lacks(202_702));
        let later = TableLayout { is_keyed: true, parts: vec![part(202_701, 202_701), part(0, 0)] };
        assert!(!later.may_hide(202_701) && later.lacks(202_611));
    }
}
