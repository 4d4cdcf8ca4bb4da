//! Divides the ledger, its repetitions and its bodies by month, beside traffic and without copying a row: what is
//! there becomes the first part.
//!
//! Called by `migrate partition`. Each statement asks first whether it was done, so whoever is killed anywhere is
//! followed by another run that goes on.
//!
//! Invariants:
//! - No release that does not know of months may write: it would name a key that is none. While one beats, nothing
//!   is begun; one that starts later is refused by the tables, because `month` has no default any more, and holds.
//! - One table after the other: repetitions and bodies first, whose months then are those of the ledger's rows.
//! - Who writes meanwhile is told by an error that the keys have become others (`sql/error/layout`), and tries again.

mod mysql;
mod postgres;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement, sqlx};

use super::retention::month::Month;
use crate::driver_error::{code, driver_error};
use crate::store::Store;
use crate::store::months::MonthTable;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::webhook::month::month_after;

/// Rows of which one statement compares the months.
const COMPARED: i64 = 20_000;
/// How often a lock is waited for, and how long it is left to others in between.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_secs(1);

/// How far a table is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DivisionState {
    /// Not at all.
    Whole,
    /// A run ended in between: another one goes on.
    Begun,
    /// Wholly.
    Divided,
}

/// A table that is to be divided.
#[derive(Clone, Debug)]
pub struct TableDivision {
    /// Which.
    pub table: MonthTable,
    /// How far it is.
    pub state: DivisionState,
    /// About how many rows it has.
    pub rows_about: i64,
    /// Its size with its indexes.
    pub bytes: i64,
}

/// A process of a release that does not know of months.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OlderProcess {
    /// Its machine, pod or container.
    pub host: String,
    /// Its release.
    pub version: String,
    /// When it was heard of last.
    pub seen_at: DateTime<Utc>,
}

/// What dividing means, and what forbids it.
#[derive(Clone, Debug)]
pub struct DivisionPlan {
    /// The tables in the order in which they are divided; none on SQLite, which needs no parts.
    pub tables: Vec<TableDivision>,
    /// The last month of the first part.
    pub last_month: i32,
    /// Processes that could not write any more.
    pub older: Vec<OlderProcess>,
    /// What others have added to the tables, which forbids it: keys that refer to them, views, triggers, unique
    /// indexes.
    pub foreign: Vec<String>,
}

impl DivisionPlan {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.tables.iter().all(|it| it.state == DivisionState::Divided)
    }
}

/// Why a table could not be divided. What was done stays, and another run goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum DivisionError {
    /// The database refused or failed.
    #[error("the tables can't be divided")]
    Store(#[from] StoreError),
    /// It is not seen what a run before did.
    #[error("{0}_new has rows, and {0} is there as well: look which of both has the ledger's rows")]
    Unclear(&'static str),
    /// Others held the table.
    #[error(
        "others held {0} for {TRIES} tries: try again when no long transaction, backup or query is on it"
    )]
    Busy(&'static str),
}

impl From<DbErr> for DivisionError {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// What dividing the tables means now.
    pub async fn plan_division(&self) -> Result<DivisionPlan, StoreError> {
        let mut tables = Vec::new();
        let mut foreign = Vec::new();
        if self.dialect != Dialect::Sqlite {
            for table in MonthTable::ALL {
                tables.push(self.table_division(table).await?);
            }
            foreign = self.foreign_parts().await?;
        }
        let last_month = self.last_month();
        Ok(DivisionPlan { tables, last_month, older: self.older_processes().await?, foreign })
    }

    /// Divides a table; nothing if it is divided.
    pub async fn divide(&self, table: MonthTable) -> Result<(), DivisionError> {
        let db = self.primary.trusted().await?.db.clone();
        let division = Division { db, table, last_month: self.last_month() };
        match self.dialect {
            Dialect::Sqlite => {}
            Dialect::Postgres => {
                if self.read_month_layout().await?.of(table).parts.is_empty() {
                    division.align(Dialect::Postgres).await?;
                    postgres::divide(&division).await?;
                }
            }
            Dialect::MySql => {
                if self.read_month_layout().await?.of(table).parts.is_empty() {
                    mysql::divide(&division).await?;
                }
                mysql::clean(&division).await?;
            }
        }
        self.ensure_months().await?;
        Ok(())
    }

    /// The month after this one: what comes while it is divided goes there.
    fn last_month(&self) -> i32 {
        month_after(Month::of(self.clock.now()).number())
    }

    /// Makes the parts of this month and the next two, where tables are divided and have none. Returns how many
    /// were missing.
    pub async fn ensure_months(&self) -> Result<usize, StoreError> {
        let this = Month::of(self.clock.now()).number();
        let (next, last) = (month_after(this), month_after(month_after(this)));
        let missing = self.read_month_layout().await?.missing([this, next, last]).len();
        self.month_layout([this, next, last]).await?;
        Ok(missing)
    }

    /// For how many months after this one all divided tables have parts already; none if none is divided.
    pub async fn months_ahead(&self) -> Result<Option<u32>, StoreError> {
        let layout = self.read_month_layout().await?;
        if MonthTable::ALL.iter().all(|table| layout.of(*table).parts.is_empty()) {
            return Ok(None);
        }
        let this = Month::of(self.clock.now()).number();
        let months = std::iter::successors(Some(month_after(this)), |it| Some(month_after(*it)));
        let made = months.take(12).take_while(|month| layout.missing([*month]).is_empty());
        Ok(Some(u32::try_from(made.count()).unwrap_or_default()))
    }

    async fn older_processes(&self) -> Result<Vec<OlderProcess>, StoreError> {
        let ours = release(env!("CARGO_PKG_VERSION"));
        let processes = self.processes().await?.into_iter();
        let older = processes.filter(|process| release(&process.version) < ours);
        let told = older.map(|it| OlderProcess {
            host: it.host,
            version: it.version,
            seen_at: it.seen_at,
        });
        Ok(told.collect())
    }

    async fn table_division(&self, table: MonthTable) -> Result<TableDivision, StoreError> {
        let db = &self.primary.trusted().await?.db;
        let (sizes, has_begun) = match self.dialect {
            Dialect::Postgres => (postgres::sizes(table), postgres::has_begun(db, table).await?),
            _ => (mysql::sizes(table), mysql::has_begun(db, table).await?),
        };
        let sizes = one(db, &sizes).await?;
        let state = match self.read_month_layout().await?.of(table).parts.is_empty() {
            false => DivisionState::Divided,
            true if has_begun => DivisionState::Begun,
            true => DivisionState::Whole,
        };
        Ok(match sizes {
            Some(row) => TableDivision {
                table,
                state,
                rows_about: row.try_get("", "rows_about")?,
                bytes: row.try_get("", "bytes")?,
            },
            None => TableDivision { table, state, rows_about: 0, bytes: 0 },
        })
    }

    async fn foreign_parts(&self) -> Result<Vec<String>, StoreError> {
        let db = &self.primary.trusted().await?.db;
        let sql = match self.dialect {
            Dialect::Postgres => postgres::FOREIGN,
            _ => mysql::FOREIGN,
        };
        let rows = db.query_all_raw(Statement::from_string(self.dialect.backend(), sql)).await?;
        let name = |row: &sea_orm::QueryResult| row.try_get("", "what");
        Ok(rows.iter().map(name).collect::<Result<_, _>>()?)
    }
}

/// The numbers of a release, to be compared.
fn release(version: &str) -> Vec<u32> {
    let numbers = version.split(['.', '-', '+']);
    numbers.map_while(|number| number.parse().ok()).collect()
}

async fn one(db: &DatabaseConnection, sql: &str) -> Result<Option<sea_orm::QueryResult>, DbErr> {
    db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await
}

/// The work on one table.
struct Division {
    db: DatabaseConnection,
    table: MonthTable,
    last_month: i32,
}

impl Division {
    /// The columns by which rows are told apart, without the month: of the primary key, and of the other one.
    fn keys(&self) -> (&'static str, &'static [&'static str]) {
        match self.table {
            MonthTable::Ledger => ("id", &["source", "session", "event_type", "webhook_id"]),
            MonthTable::Duplicates => ("id", &["webhook_event_id", "receipt"]),
            MonthTable::Bodies => ("webhook_event_id", &[]),
        }
    }

    async fn run(&self, sql: &str) -> Result<(), DbErr> {
        self.db.execute_unprepared(sql).await.map(drop)
    }

    async fn has(&self, sql: &str) -> Result<bool, DbErr> {
        Ok(one(&self.db, sql).await?.is_some())
    }

    async fn number(&self, sql: &str) -> Result<Option<i64>, DbErr> {
        let row = one(&self.db, sql).await?;
        Ok(row.map(|row| row.try_get::<Option<i64>>("", "number")).transpose()?.flatten())
    }

    /// Runs a statement that needs a lock for a moment, as often as others hold it.
    async fn run_patiently(&self, sql: &str) -> Result<(), DivisionError> {
        for _ in 0..TRIES {
            match self.run(sql).await {
                Err(error) if is_busy(&error) => tokio::time::sleep(PAUSE).await,
                other => return Ok(other?),
            }
        }
        Err(DivisionError::Busy(self.table.name()))
    }

    /// Gives rows the months of their rows in the ledger: a release before, beside this one, wrote them without.
    async fn align(&self, dialect: Dialect) -> Result<(), DivisionError> {
        if self.table == MonthTable::Ledger {
            return Ok(());
        }
        let table = self.table.name();
        let ends = "SELECT CAST(MIN(id) AS {type}) AS number FROM webhook_events WHERE month <> 0";
        let kind = if dialect == Dialect::MySql { "SIGNED" } else { "BIGINT" };
        let Some(first) = self.number(&ends.replace("{type}", kind)).await? else { return Ok(()) };
        let last = format!("SELECT CAST(MAX(webhook_event_id) AS {kind}) AS number FROM {table}");
        let last = self.number(&last).await?.unwrap_or_default();
        let mut after = first - 1;
        while after < last {
            let until = after.saturating_add(COMPARED);
            let range = format!(
                "r.webhook_event_id > {after} AND r.webhook_event_id <= {until} \
                 AND r.month = 0 AND e.month <> 0"
            );
            let update = match dialect {
                Dialect::MySql => format!(
                    "UPDATE {table} r JOIN webhook_events e ON e.id = r.webhook_event_id \
                     SET r.month = e.month WHERE {range}"
                ),
                _ => format!(
                    "UPDATE {table} r SET month = e.month FROM webhook_events e \
                     WHERE e.id = r.webhook_event_id AND {range}"
                ),
            };
            self.run_patiently(&update).await?;
            after = until;
        }
        Ok(())
    }
}

/// Whether somebody else was in the way: a lock, a deadlock; of MySQL also a duplicate, which rows that are upserted
/// while a key is built may look like.
fn is_busy(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(sqlx::Error::Database(error)) => {
            ["55P03", "40P01", "1205", "1213", "1062"].contains(&code(error.as_ref()).as_str())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert!(release("0.9.12") < release("0.10.0"));
        assert!(release("0.1.0") == release("0.1.0-rc1"));
        assert!(release("") < release("0.1.0"));
    }
}
