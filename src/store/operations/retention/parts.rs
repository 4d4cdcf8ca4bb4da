//! Lets go of whole months: a part of a table goes at once, without a row being deleted, where the tables are
//! divided (`partition`).
//!
//! Called by `retention` before it deletes rows some at a time, which finds what is left.
//!
//! Invariants:
//! - What goes is counted in the transaction that takes it out of `status`, as rows that are deleted are (`ledger`).
//! - What stays is put back: rows that came late, whose dead letter is there, or that the archive does not have as
//!   they are. If it is much, nothing is done, and rows are deleted.
//! - What a run that was cut off took out is counted or put back before anything is archived (`finish_parts`).
//! - The ledger's part goes first. Repetitions and bodies of its months follow, but for those of rows that stay.
//!
//! Reading order: this file; `postgres` and `mysql`, how a part is taken out.

mod mysql;
mod postgres;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Asterisk, Cond, Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, Order, QueryResult};

use super::month::Month;
use super::sums::{DUPLICATE, Sums};
use crate::store::Store;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::months::{MonthPart, MonthTable};
use crate::store::operations::dead_letter::big_integer;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

pub(in crate::store::operations) use mysql::count_leaving;

/// More rows that stay are not put back: then rows that go are deleted.
pub const KEPT_MAX: u64 = 10_000;
const LETTERS: &str = "dead_letters";
/// What is read of a row that stays.
const KEPT: [&str; 4] = ["id", "month", "received_at", "outcome"];
/// Numbers of one statement.
const LACKING_MAX: usize = 1_000;
/// What identifies a webhook, here and in its dead letter.
const KEY: [&str; 4] = ["source", "session", "event_type", "webhook_id"];

/// A part of which all may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuePart {
    /// Of which table.
    pub table: MonthTable,
    /// Which.
    pub part: MonthPart,
}

/// What may go of a part.
#[derive(Clone, Debug)]
pub struct PartLimit {
    /// Rows that the door took in before.
    pub before: DateTime<Utc>,
    /// What the archive has of it; none: there is no archive.
    pub archived: Option<ArchivedPart>,
}

/// What the archive has of a part.
#[derive(Clone, Debug)]
pub struct ArchivedPart {
    /// Rows that were written last before this are in the archive as they are.
    pub at: DateTime<Utc>,
    /// But for these, by their numbers.
    pub lacking: Vec<i64>,
}

/// A row by its number, and what it would be counted as.
struct KeptRow {
    id: i64,
    month: Month,
    outcome: String,
}

impl Store {
    /// Parts whose months all ended before `before`, those of the ledger first; none where tables are whole.
    pub async fn due_parts(&self, before: DateTime<Utc>) -> Result<Vec<DuePart>, StoreError> {
        let end = Month::of(before).number();
        let layout = self.read_month_layout().await?;
        // What has no month never ends.
        let is_over = |part: &&MonthPart| part.last > 0 && part.last < end;
        let of = |table| {
            let parts = layout.of(table).parts.iter().filter(is_over);
            parts.map(move |part| DuePart { table, part: part.clone() })
        };
        let tables = [MonthTable::Ledger, MonthTable::Duplicates, MonthTable::Bodies];
        Ok(tables.into_iter().flat_map(of).collect())
    }

    /// The next rows of a part of the ledger, for the archive: their numbers by the month of their arrival. Not those
    /// that came or were written meanwhile: they stay, so that the archive would have them twice one day.
    pub async fn rows_of_part(
        &self,
        part: &MonthPart,
        (before, at): (DateTime<Utc>, DateTime<Utc>),
        after: i64,
        rows_max: u64,
    ) -> Result<Vec<(i64, Month)>, StoreError> {
        let mut select = rows_in(MonthTable::Ledger.name(), Some(part));
        select
            .columns(["id", "received_at"].map(Alias::new))
            .and_where(column("id").gt(after))
            .and_where(column("received_at").lt(before))
            .and_where(column("updated_at").lt(at))
            .order_by(Alias::new("id"), Order::Asc)
            .limit(rows_max);
        let rows = self.pool().db.query_all(&select).await?;
        let read = |row: &QueryResult| {
            Ok((row.try_get("", "id")?, Month::of(row.try_get("", "received_at")?)))
        };
        Ok(rows.iter().map(read).collect::<Result<_, DbErr>>()?)
    }

    /// The rows of a part that would stay, by their numbers; none if it is not worth taking out: nothing of it goes,
    /// or much stays.
    pub async fn rows_that_stay(
        &self,
        due: &DuePart,
        before: DateTime<Utc>,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let DuePart { table, part } = due;
        let nothing = |goes: bool| Ok(goes.then(Vec::new));
        if !self.has_rows(*table, part).await? {
            // MySQL keeps empty parts.
            return nothing(self.dialect == Dialect::Postgres);
        }
        if *table != MonthTable::Ledger {
            return nothing(self.has_orphans(*table, part).await?);
        }
        let (from, limit) = ((table.name(), Some(part)), PartLimit { before, archived: None });
        let db = self.begin().await?;
        let kept = kept_rows(&db, *table, from, &limit).await?;
        let goes = match &kept {
            Some(kept) => !sums_of(&db, *table, from, kept).await?.is_empty(),
            None => false,
        };
        db.rollback().await?;
        let numbers = |kept: Vec<KeptRow>| kept.into_iter().map(|row| row.id).collect();
        Ok(kept.filter(|_| goes).map(numbers))
    }

    /// Whether rows are left of months of which the ledger has few or none any more.
    async fn has_orphans(&self, table: MonthTable, part: &MonthPart) -> Result<bool, StoreError> {
        let mut few = rows_in(MonthTable::Ledger.name(), Some(part));
        few.expr(Expr::val(1)).limit(KEPT_MAX + 1);
        let db = &self.pool().db;
        if db.query_all(&few).await?.len() as u64 > KEPT_MAX {
            return Ok(false);
        }
        let of = |table: &str, name: &'static str| Expr::col((Alias::new(table), Alias::new(name)));
        let ledger = MonthTable::Ledger.name();
        let mut row = Query::select();
        row.expr(Expr::val(1))
            .from(Alias::new(ledger))
            .and_where(of(ledger, "id").eq(of(table.name(), "webhook_event_id")));
        let mut orphan = rows_in(table.name(), Some(part));
        orphan.expr(Expr::val(1)).and_where(Expr::exists(row).not()).limit(1);
        Ok(db.query_one(&orphan).await?.is_some())
    }

    /// Lets go of a part, but for what stays. Returns how many rows went; none if too much stays, or others held
    /// the table for too long.
    pub async fn drop_part(
        &self,
        due: &DuePart,
        limit: &PartLimit,
    ) -> Result<Option<u64>, StoreError> {
        let dropped = match self.dialect {
            Dialect::Sqlite => Ok(None),
            Dialect::Postgres => self.drop_postgres_part(due, limit).await,
            Dialect::MySql => self.drop_mysql_part(due, limit).await,
        };
        self.months.forget();
        dropped
    }

    /// Goes on with what a run that was cut off left beside the tables: counts it, or puts it back if it may not be in
    /// the archive. To be called before anything is archived. Only MySQL leaves something.
    pub async fn finish_parts(
        &self,
        before: DateTime<Utc>,
        has_archive: bool,
    ) -> Result<(), StoreError> {
        if self.dialect == Dialect::MySql {
            self.finish_leaving(before, has_archive).await?;
        }
        Ok(())
    }

    async fn has_rows(&self, table: MonthTable, part: &MonthPart) -> Result<bool, StoreError> {
        let mut select = rows_in(table.name(), Some(part));
        select.expr(Expr::val(1)).limit(1);
        Ok(self.pool().db.query_one(&select).await?.is_some())
    }
}

fn column(name: &'static str) -> Expr {
    Expr::col(Alias::new(name))
}

/// Rows of a table, or of one of its parts.
fn rows_in(table: &str, part: Option<&MonthPart>) -> SelectStatement {
    let mut select = Query::select();
    select.from(Alias::new(table));
    if let Some(part) = part {
        select.and_where(column("month").between(part.first, part.last));
    }
    select
}

/// The numbers of rows that stay: `from` the table that has them, which may be beside the one that others see.
/// None if they are too many.
async fn kept_rows(
    db: &CheckedTransaction,
    table: MonthTable,
    (from, part): (&str, Option<&MonthPart>),
    limit: &PartLimit,
) -> Result<Option<Vec<KeptRow>>, StoreError> {
    let mut kept = BTreeMap::new();
    for mut select in selects_of_kept(table, from, part, limit) {
        select.limit(KEPT_MAX + 1);
        for row in db.query_all(&select).await? {
            let row = kept_row(&row, table)?;
            kept.insert(row.id, row);
        }
    }
    let is_much = kept.len() as u64 > KEPT_MAX;
    Ok((!is_much).then(|| kept.into_values().collect()))
}

fn kept_row(row: &QueryResult, table: MonthTable) -> Result<KeptRow, DbErr> {
    let id = row.try_get("", "id")?;
    if table == MonthTable::Bodies {
        return Ok(KeptRow { id, month: Month::from(0), outcome: String::new() });
    }
    let month = match row.try_get("", "month")? {
        0 => Month::of(row.try_get("", "received_at")?),
        month => Month::from(month),
    };
    let outcome = match table {
        MonthTable::Ledger => row.try_get("", "outcome")?,
        MonthTable::Duplicates | MonthTable::Bodies => DUPLICATE.to_owned(),
    };
    Ok(KeptRow { id, month, outcome })
}

fn selects_of_kept(
    table: MonthTable,
    from: &str,
    part: Option<&MonthPart>,
    limit: &PartLimit,
) -> Vec<SelectStatement> {
    if table != MonthTable::Ledger {
        return vec![with_ledger_row(table, from, part)];
    }
    let mut kept = vec![young(from, part, limit), with_letter(from, part)];
    let lacking = limit.archived.iter().flat_map(|archived| archived.lacking.chunks(LACKING_MAX));
    kept.extend(lacking.map(|ids| these(from, part, ids)));
    kept
}

/// Those that the archive lacks.
fn these(from: &str, part: Option<&MonthPart>, ids: &[i64]) -> SelectStatement {
    let mut select = rows_in(from, part);
    select.columns(KEPT.map(Alias::new)).and_where(column("id").is_in(ids.iter().copied()));
    select
}

/// Those that came late, or were written after the archive took them.
fn young(from: &str, part: Option<&MonthPart>, limit: &PartLimit) -> SelectStatement {
    let mut is_young = Cond::any().add(column("received_at").gte(limit.before));
    if let Some(archived) = &limit.archived {
        is_young = is_young.add(column("updated_at").gte(archived.at));
    }
    let mut select = rows_in(from, part);
    select.columns(KEPT.map(Alias::new)).cond_where(is_young);
    select
}

/// Those whose webhook has a dead letter: from the letters, which are few.
fn with_letter(from: &str, part: Option<&MonthPart>) -> SelectStatement {
    let of = |table: &str, name: &'static str| Expr::col((Alias::new(table), Alias::new(name)));
    let same = KEY
        .into_iter()
        .fold(Cond::all(), |all, name| all.add(of(LETTERS, name).eq(of(from, name))));
    let mut select = Query::select();
    select
        .columns(KEPT.map(|name| (Alias::new(from), Alias::new(name))))
        .from(Alias::new(LETTERS))
        .inner_join(Alias::new(from), same);
    if let Some(part) = part {
        select.and_where(of(from, "month").between(part.first, part.last));
    }
    select
}

/// Those whose row of the ledger stays: from the ledger, of which few are left then.
fn with_ledger_row(table: MonthTable, from: &str, part: Option<&MonthPart>) -> SelectStatement {
    let ledger = MonthTable::Ledger.name();
    let of = |table: &str, name: &'static str| Expr::col((Alias::new(table), Alias::new(name)));
    let same = of(from, "webhook_event_id").eq(of(ledger, "id"));
    let mut select = Query::select();
    let columns: &[&str] = match table {
        MonthTable::Bodies => &[],
        MonthTable::Ledger | MonthTable::Duplicates => &["month", "received_at"],
    };
    select
        .expr_as(of(from, number_of(table)), Alias::new("id"))
        .columns(columns.iter().map(|name| (Alias::new(from), Alias::new(*name))))
        .from(Alias::new(ledger))
        .inner_join(Alias::new(from), same);
    if let Some(part) = part {
        select.and_where(of(ledger, "month").between(part.first, part.last));
        select.and_where(of(from, "month").between(part.first, part.last));
    }
    select
}

/// The column with the number of a row.
fn number_of(table: MonthTable) -> &'static str {
    match table {
        MonthTable::Ledger | MonthTable::Duplicates => "id",
        MonthTable::Bodies => "webhook_event_id",
    }
}

/// What rows are counted as, without those that stay.
async fn sums_of(
    db: &CheckedTransaction,
    table: MonthTable,
    (from, part): (&str, Option<&MonthPart>),
    kept: &[KeptRow],
) -> Result<Sums, StoreError> {
    if table == MonthTable::Bodies {
        return Ok(Sums::new());
    }
    let mut select = rows_in(from, part);
    let backend = db.get_database_backend();
    let month = Expr::cust(month_of_row(Dialect::of(backend)));
    let month = month.cast_as(Alias::new(big_integer(backend)));
    let rows = Func::cast_as(Func::count(Expr::col(Asterisk)), Alias::new(big_integer(backend)));
    select.expr_as(month.clone(), Alias::new("counted_month")).expr_as(rows, Alias::new("counted"));
    select.add_group_by([month]);
    if table == MonthTable::Ledger {
        select.column(Alias::new("outcome")).add_group_by([column("outcome")]);
    }
    let mut sums = Sums::new();
    for row in db.query_all(&select).await? {
        let outcome = match table {
            MonthTable::Ledger => row.try_get("", "outcome")?,
            MonthTable::Duplicates | MonthTable::Bodies => DUPLICATE.to_owned(),
        };
        let month = i32::try_from(row.try_get::<i64>("", "counted_month")?).unwrap_or_default();
        *sums.entry((Month::from(month), outcome)).or_default() +=
            row.try_get::<i64>("", "counted")?;
    }
    for row in kept {
        *sums.entry((row.month, row.outcome.clone())).or_default() -= 1;
    }
    sums.retain(|_, rows| *rows != 0);
    Ok(sums)
}

/// A row's month; that of its arrival, if it has none.
fn month_of_row(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => {
            "CASE WHEN month <> 0 THEN month ELSE DATE_FORMAT(received_at, '%Y%m') END"
        }
        Dialect::Postgres | Dialect::Sqlite => {
            "CASE WHEN month <> 0 THEN month \
             ELSE CAST(to_char(received_at AT TIME ZONE 'UTC', 'YYYYMM') AS INTEGER) END"
        }
    }
}

/// How many rows sums count.
fn total(sums: &Sums) -> u64 {
    sums.values().map(|rows| u64::try_from(*rows).unwrap_or_default()).sum()
}

/// Numbers as a list of a statement; never empty.
fn list(kept: &[KeptRow]) -> String {
    let ids = kept.iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    if ids.is_empty() { "NULL".to_owned() } else { ids.join(", ") }
}
