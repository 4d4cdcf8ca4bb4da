//! Finds the rows that a filter of the ledger can mean by the indexes of key and end, if they are few: so what is
//! rare is found, and what is not there is known, without walking the ledger.
//!
//! Called by `history_page`. Invariant: however large the ledger is, no statement reads more than
//! [`FEW`] entries of an index for each of [`RANGES_MAX`] ranges, but for the list of prefixes, which takes a look
//! for each.

use sea_orm::sea_query::extension::mysql::{IndexHintScope, MySqlSelectStatementExt};
use sea_orm::sea_query::{
    Alias, Asterisk, Condition, Expr, ExprTrait, Func, Query, SelectStatement, UnionType,
};
use sea_orm::{ConnectionTrait, Order, QueryResult, Statement};

use super::history::{LedgerFilter, LedgerOutcome};
use crate::store::Store;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

/// More rows are many: the newest of them are soon met by walking.
const FEW: u64 = 5_000;
/// Ranges that one statement reads, and that are read at all.
const RANGES_MAX: usize = 100;
const ALL_RANGES_MAX: usize = 20_000;
const LEDGER: &str = "webhook_events";
/// The columns of the ledger's key.
const KEY: [&str; 4] = ["source", "session", "event_type", "webhook_id"];
const KEY_INDEX: &str = "uq_webhook_events_key";

/// Rows beside one another in an index.
struct IndexRange {
    condition: Condition,
    /// What comes next in the index: asked for in this order, no database reads the table instead.
    order: &'static [&'static str],
    /// Its name, where MariaDB would take another one that begins alike.
    index: Option<&'static str>,
}

impl Store {
    /// The numbers of all rows that have the key or the end that a filter names; none if they may be many, or
    /// if it names neither.
    pub(super) async fn few(&self, filter: &LedgerFilter) -> Result<Option<Vec<i64>>, StoreError> {
        if let Some(ranges) = end_ranges(filter)
            && let Some(ids) = self.rows_in(&ranges).await?
        {
            return Ok(Some(ids));
        }
        match self.key_ranges(filter).await? {
            Some(ranges) => self.rows_in(&ranges).await,
            None => Ok(None),
        }
    }

    /// Where in the index of the key the rows are; none if the filter names no part of the key.
    async fn key_ranges(
        &self,
        filter: &LedgerFilter,
    ) -> Result<Option<Vec<IndexRange>>, StoreError> {
        let LedgerFilter { sources, sessions, events, webhook_ids, .. } = filter;
        if [sources, sessions, events, webhook_ids].into_iter().all(Vec::is_empty) {
            return Ok(None);
        }
        let names_types = !events.is_empty() || webhook_ids.is_empty();
        let depth = if names_types { 2 } else { 3 };
        let prefixes = self.prefixes(depth).await?;
        let is_named = |prefix: &Vec<String>| {
            let fits = |names: &Vec<String>, name| names.is_empty() || names.contains(name);
            fits(sources, &prefix[0]) && fits(sessions, &prefix[1])
        };
        let prefixes = prefixes.into_iter().filter(is_named);
        let with_types = prefixes.flat_map(|prefix| match events.as_slice() {
            [] => vec![prefix],
            events => {
                let longer = |event: &String| [prefix.clone(), vec![event.clone()]].concat();
                events.iter().map(longer).collect()
            }
        });
        Ok(Some(with_types.map(|prefix| key_range(&prefix, webhook_ids)).collect()))
    }

    /// What keys begin with, each once: a look into the index for each, whatever number of rows has it.
    async fn prefixes(&self, depth: usize) -> Result<Vec<Vec<String>>, StoreError> {
        let sql = match self.dialect {
            Dialect::MySql => grouped(depth),
            Dialect::Postgres => leaping_rows(depth),
            Dialect::Sqlite => leaping_columns(depth),
        };
        let statement = Statement::from_string(self.dialect.backend(), sql);
        let rows = self.reading().query_all_raw(statement).await?;
        let prefix = |row: &QueryResult| {
            (0..depth).map(|at| row.try_get_by_index(at)).collect::<Result<Vec<String>, _>>()
        };
        Ok(rows.iter().map(prefix).collect::<Result<_, _>>()?)
    }

    /// The rows in these ranges; none if they are many.
    async fn rows_in(&self, ranges: &[IndexRange]) -> Result<Option<Vec<i64>>, StoreError> {
        if ranges.len() > ALL_RANGES_MAX {
            return Ok(None);
        }
        let mut rows = 0;
        for ranges in ranges.chunks(RANGES_MAX) {
            let count = self.numbers(ranges, counted).await?.into_iter().sum::<i64>();
            rows += count.unsigned_abs();
            if rows > FEW {
                return Ok(None);
            }
        }
        let mut ids = Vec::new();
        for ranges in ranges.chunks(RANGES_MAX).filter(|_| rows > 0) {
            ids.extend(self.numbers(ranges, listed).await?);
        }
        Ok(Some(ids))
    }

    /// What one statement says of all these ranges.
    async fn numbers(
        &self,
        ranges: &[IndexRange],
        of_range: fn(&IndexRange) -> SelectStatement,
    ) -> Result<Vec<i64>, StoreError> {
        let mut selects = ranges.iter().map(of_range);
        let Some(mut select) = selects.next() else { return Ok(Vec::new()) };
        select.unions(selects.map(|select| (UnionType::All, select)));
        let rows = self.reading().query_all(&select).await?;
        Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
    }
}

fn column(name: &'static str) -> Expr {
    Expr::col(Alias::new(name))
}

fn key_range(prefix: &[String], webhook_ids: &[String]) -> IndexRange {
    let named = KEY.into_iter().zip(prefix);
    let condition =
        named.fold(Condition::all(), |all, (name, value)| all.add(column(name).eq(value)));
    let ids = (!webhook_ids.is_empty()).then(|| column(KEY[3]).is_in(webhook_ids));
    IndexRange {
        condition: condition.add_option(ids),
        order: &KEY[prefix.len()..],
        index: Some(KEY_INDEX),
    }
}

/// Where in the index of those that did not end as applied the rows are; none if applied ones may be among
/// them. Only those have no reason.
fn end_ranges(filter: &LedgerFilter) -> Option<Vec<IndexRange>> {
    let LedgerFilter { outcomes, reasons, .. } = filter;
    let is_named = |outcome: &LedgerOutcome| outcomes.is_empty() || outcomes.contains(outcome);
    if reasons.is_empty() && is_named(&LedgerOutcome::Applied) {
        return None;
    }
    let others = [LedgerOutcome::Ignored, LedgerOutcome::DeadLettered];
    let ranges = others.into_iter().filter(is_named).flat_map(|outcome| {
        // As the index has it: PostgreSQL uses a partial one if the text says so.
        let ended = Condition::all()
            .add(Expr::cust("outcome <> 'applied'"))
            .add(column("outcome").eq(outcome.name()));
        match reasons.as_slice() {
            [] => vec![ended],
            reasons => {
                let with = |reason| ended.clone().add(column("reason").eq(reason));
                reasons.iter().map(with).collect()
            }
        }
    });
    Some(ranges.map(|condition| IndexRange { condition, order: &[], index: None }).collect())
}

/// The rows of a range, as many as are worth counting.
fn within(range: &IndexRange, of_row: Expr) -> SelectStatement {
    let mut rows = Query::select();
    rows.expr_as(of_row, Alias::new("id"))
        .from(Alias::new(LEDGER))
        .cond_where(range.condition.clone())
        .limit(FEW + 1);
    if let Some(index) = range.index {
        rows.force_index(Alias::new(index), IndexHintScope::All);
    }
    for name in range.order {
        rows.order_by(Alias::new(*name), Order::Asc);
    }
    rows
}

/// How many there are.
fn counted(range: &IndexRange) -> SelectStatement {
    let rows = within(range, Expr::val(1));
    let count = Func::count(Expr::col(Asterisk));
    Query::select().expr_as(count, Alias::new("id")).from_subquery(rows, Alias::new("r")).take()
}

/// Their numbers.
fn listed(range: &IndexRange) -> SelectStatement {
    let rows = within(range, column("id"));
    Query::select().column(Alias::new("id")).from_subquery(rows, Alias::new("r")).take()
}

/// MySQL and MariaDB leap over equal ones by themselves ("Using index for group-by").
fn grouped(depth: usize) -> String {
    let columns = KEY[..depth].join(", ");
    format!("SELECT {columns} FROM {LEDGER} GROUP BY {columns}")
}

/// To PostgreSQL each leap is said: the first, then again and again the next after the last.
fn leaping_rows(depth: usize) -> String {
    let names = &KEY[..depth];
    let of = |table: &str| -> Vec<String> {
        names.iter().map(|name| format!("{table}.{name}")).collect()
    };
    let last = of("p").join(", ");
    let next = of("e").join(", ");
    let leap = |column: String| {
        format!(
            "(SELECT {column} FROM {LEDGER} e WHERE ({next}) > ({last}) ORDER BY {next} LIMIT 1)"
        )
    };
    let leaps = of("e").into_iter().map(leap).collect::<Vec<_>>().join(", ");
    let columns = names.join(", ");
    format!(
        "WITH RECURSIVE prefixes ({columns}) AS ( \
         SELECT * FROM (SELECT {next} FROM {LEDGER} e ORDER BY {next} LIMIT 1) AS f \
         UNION ALL SELECT {leaps} FROM prefixes p WHERE p.source IS NOT NULL) \
         SELECT {columns} FROM prefixes WHERE source IS NOT NULL"
    )
}

/// To SQLite column by column: the first value behind those before it, and again and again the next one. Rows that
/// are compared as a whole it would read from the first column's on; and what this is to PostgreSQL's planner would
/// have it compile the statement for most of a second.
fn leaping_columns(depth: usize) -> String {
    let leaps = (0..depth).map(leaps_of).collect::<Vec<_>>().join(", ");
    let (columns, last) = (KEY[..depth].join(", "), depth - 1);
    let name = KEY[last];
    format!("WITH RECURSIVE {leaps} SELECT {columns} FROM p{last} WHERE {name} IS NOT NULL")
}

/// All values that a column of the key has behind each prefix before it, and an end without a value.
fn leaps_of(at: usize) -> String {
    let (before, name) = (&KEY[..at], KEY[at]);
    let columns = KEY[..=at].join(", ");
    let prefix: String = before.iter().flat_map(|name| ["p.", name, ", "]).collect();
    let equal: String =
        before.iter().flat_map(|name| ["e.", name, " = p.", name, " AND "]).collect();
    let least = format!("MIN(e.{name}) FROM {LEDGER} e WHERE {equal}");
    let first = match at.checked_sub(1) {
        None => format!("SELECT MIN({name}) FROM {LEDGER}"),
        Some(above) => format!(
            "SELECT {prefix}(SELECT {least}TRUE) FROM p{above} p WHERE p.{} IS NOT NULL",
            KEY[above]
        ),
    };
    format!(
        "p{at} ({columns}) AS ({first} UNION ALL \
         SELECT {prefix}(SELECT {least}e.{name} > p.{name}) FROM p{at} p WHERE p.{name} IS NOT NULL)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The plan of a statement in an empty database, a line each.
    fn plan(sql: &str) -> Vec<String> {
        let db = rusqlite::Connection::open_in_memory().unwrap();
        let columns = KEY.map(|name| format!("{name} TEXT NOT NULL")).join(", ");
        let (key, table) = (KEY.join(", "), format!("CREATE TABLE {LEDGER} ({columns})"));
        db.execute_batch(&format!("{table}; CREATE INDEX key ON {LEDGER} ({key})")).unwrap();
        let mut explained = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = explained.query_map([], |row| row.get(3)).unwrap();
        lines.map(Result::unwrap).collect()
    }

    #[test]
    fn each_leap_on_sqlite_goes_to_the_one_entry() {
        let plan = plan(&leaping_columns(3));
        let looks = plan.iter().filter(|line| line.contains(" e USING")).collect::<Vec<_>>();
        assert_eq!(looks.len(), 5, "{plan:?}");
        for end in ["(source>?)", "(source=? AND session>?)"] {
            assert!(looks.iter().any(|line| line.ends_with(end)), "{plan:?}");
        }
        let deepest = "(source=? AND session=? AND event_type>?)";
        assert!(looks.iter().any(|line| line.ends_with(deepest)), "{plan:?}");
    }

    #[test]
    fn ends_are_asked_for_only_where_no_applied_row_can_be_meant() {
        use LedgerOutcome::{Applied, DeadLettered, Ignored};
        let ranges = |outcomes: &[LedgerOutcome], reasons: &[&str]| {
            let reasons = reasons.iter().map(|it| (*it).to_owned()).collect();
            let filter =
                LedgerFilter { outcomes: outcomes.to_vec(), reasons, ..Default::default() };
            end_ranges(&filter).map(|ranges| ranges.len())
        };
        assert_eq!(ranges(&[], &[]), None);
        assert_eq!(ranges(&[Applied, Ignored], &[]), None);
        assert_eq!(ranges(&[Ignored], &[]), Some(1));
        assert_eq!(ranges(&[Ignored, DeadLettered], &[]), Some(2));
        assert_eq!(ranges(&[], &["one", "other"]), Some(4));
        assert_eq!(ranges(&[Applied], &["one"]), Some(0));
    }
}
