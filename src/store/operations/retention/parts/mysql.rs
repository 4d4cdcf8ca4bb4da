//! MySQL and MariaDB, which commit after each statement that changes a table. So a part is exchanged with an empty
//! table beside the ledger, which nobody writes and `status` counts; it is counted there, and emptied after the
//! transaction that adds it to the sums. A mark in that transaction says that it counts no more.
//!
//! Parts stay, empty. A table numbers its rows on from the highest number that any of its parts knows, so an empty
//! table would have it give numbers again that rows beside it, or their bodies and repetitions, still have: the table
//! beside knows a higher one before it becomes a part.
//!
//! Invariant: only one process does it at a time, which holds a row meanwhile: what is beside the table is of one part
//! alone, and an exchange would put it back.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult, QuerySelect,
    Statement,
};

use entity::retention_cursors::{Column, Entity};

use super::{
    ArchivedPart, DuePart, KEY, KeptRow, PartLimit, kept_row, kept_rows, list, number_of, sums_of,
    total,
};
use crate::store::Store;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::months::MonthTable;
use crate::store::operations::retention::month::Month;
use crate::store::operations::retention::sums::{self, DUPLICATE, Sums};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

/// How long it waits for others, and they behind it.
const LOCK: &str = "SET SESSION lock_wait_timeout = 3";
const NO_LOCK: &str = "SET SESSION lock_wait_timeout = DEFAULT";

/// So many numbers are left out with each part: more than are given until it is taken out.
const NUMBERS_LEFT_OUT: i64 = 100_000;

/// The row of the cursors that is held meanwhile.
const TURN: &str = "parts";

/// The table beside a table.
fn beside(table: MonthTable) -> String {
    format!("{}_leaving", table.name())
}

/// The name of its mark: 1 if what is in it was counted.
fn mark(table: MonthTable) -> String {
    format!("leaving_{}", table.name())
}

fn is_beside(table: MonthTable) -> Statement {
    let sql = format!(
        "SELECT CAST(1 AS SIGNED) AS number FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{}'",
        beside(table)
    );
    Statement::from_string(Dialect::MySql.backend(), sql)
}

/// The table with rows of `table` that are leaving and are not counted yet; none mostly.
pub(in crate::store::operations) async fn count_leaving(
    db: &CheckedTransaction,
    table: MonthTable,
) -> Result<Option<String>, StoreError> {
    if Dialect::of(db.get_database_backend()) != Dialect::MySql
        || db.query_one_raw(is_beside(table)).await?.is_none()
    {
        return Ok(None);
    }
    let marked = Entity::find().filter(Column::Name.eq(mark(table))).one(db).await?;
    Ok(marked.is_none_or(|row| row.cursor_id == 0).then(|| beside(table)))
}

/// Of very many that stay, the next ones, whichever.
async fn some_rows(
    db: &CheckedTransaction,
    table: MonthTable,
    beside: &str,
) -> Result<Vec<KeptRow>, StoreError> {
    let number = number_of(table);
    let sql = format!("SELECT {number} AS id FROM {beside} ORDER BY {number} LIMIT 5000");
    let rows = db.query_all_raw(Statement::from_string(Dialect::MySql.backend(), sql)).await?;
    let row = |row: &QueryResult| {
        let id = row.try_get("", "id")?;
        Ok(KeptRow { id, month: Month::from(0), outcome: String::new() })
    };
    Ok(rows.iter().map(row).collect::<Result<_, DbErr>>()?)
}

/// What says that a row is there, beside its month.
fn identity(table: MonthTable) -> &'static [&'static str] {
    match table {
        MonthTable::Ledger => &KEY,
        MonthTable::Duplicates => &["id"],
        MonthTable::Bodies => &["webhook_event_id"],
    }
}

/// Puts rows back. One that came again meanwhile is there, and was counted as a new one: what is beside the table becomes
/// its repetition, which is returned. That another has its number is an error, by which nothing goes.
async fn put_back(
    db: &CheckedTransaction,
    table: MonthTable,
    beside: &str,
    rows: &[KeptRow],
) -> Result<Sums, StoreError> {
    if rows.is_empty() {
        return Ok(Sums::new());
    }
    let (name, number, ids) = (table.name(), number_of(table), list(rows));
    let same = identity(table).iter().chain(&["month"]).map(|it| format!("there.{it} = gone.{it}"));
    let same = same.collect::<Vec<_>>().join(" AND ");
    db.execute_unprepared(&format!(
        "INSERT INTO {name} SELECT gone.* FROM {beside} AS gone WHERE gone.{number} IN ({ids}) \
         AND NOT EXISTS (SELECT 1 FROM {name} AS there WHERE {same})"
    ))
    .await?;
    let again = match table {
        MonthTable::Ledger => came_again(db, beside, &same, &ids).await?,
        MonthTable::Duplicates | MonthTable::Bodies => Sums::new(),
    };
    db.execute_unprepared(&format!("DELETE FROM {beside} WHERE {number} IN ({ids})")).await?;
    Ok(again)
}

/// Webhooks that are there under another number, as repetitions.
async fn came_again(
    db: &CheckedTransaction,
    beside: &str,
    same: &str,
    ids: &str,
) -> Result<Sums, StoreError> {
    let ledger = MonthTable::Ledger;
    let sql = format!(
        "SELECT gone.id, gone.month, gone.received_at, gone.outcome FROM {beside} AS gone \
         JOIN {} AS there ON {same} WHERE gone.id IN ({ids}) AND there.id <> gone.id",
        ledger.name()
    );
    let rows = db.query_all_raw(Statement::from_string(Dialect::MySql.backend(), sql)).await?;
    let mut again = Sums::new();
    for row in &rows {
        *again.entry((kept_row(row, ledger)?.month, DUPLICATE.to_owned())).or_default() += 1;
    }
    Ok(again)
}

/// Somebody else holds the row.
fn is_held(error: &StoreError) -> bool {
    let detail = error.detail();
    // MySQL's word for it, and MariaDB's.
    ["3572", "1205"].iter().any(|code| detail.contains(code))
}

impl Store {
    /// Whether rows are beside a table, which a run that was cut off took out of it.
    async fn has_left(&self, table: MonthTable) -> Result<bool, StoreError> {
        let db = &self.primary.trusted().await?.db;
        if db.query_one_raw(is_beside(table)).await?.is_none() {
            return Ok(false);
        }
        let sql = format!("SELECT CAST(1 AS SIGNED) AS number FROM {} LIMIT 1", beside(table));
        let left = Statement::from_string(Dialect::MySql.backend(), sql);
        Ok(db.query_one_raw(left).await?.is_some())
    }

    /// Holds the row that says whose turn it is, until what is returned is dropped; none if another process has it.
    async fn parts_turn(&self) -> Result<Option<CheckedTransaction>, StoreError> {
        if self.cursor(TURN).await?.is_none() {
            let db = self.begin().await?;
            self.write_cursor(&db, TURN, 0, None).await?;
            db.commit().await?;
        }
        let db = self.begin().await?;
        let mut row = Entity::find().filter(Column::Name.eq(TURN));
        QuerySelect::query(&mut row).lock_with_behavior(LockType::Update, LockBehavior::Nowait);
        match row.one(&db).await.map_err(StoreError::from) {
            Ok(_) => Ok(Some(db)),
            Err(error) if is_held(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn drop_mysql_part(
        &self,
        due: &DuePart,
        limit: &PartLimit,
    ) -> Result<Option<u64>, StoreError> {
        let Some(turn) = self.parts_turn().await? else { return Ok(None) };
        let dropped = self.drop_mysql_part_now(due, limit).await?;
        turn.rollback().await?;
        Ok(dropped)
    }

    async fn drop_mysql_part_now(
        &self,
        due: &DuePart,
        limit: &PartLimit,
    ) -> Result<Option<u64>, StoreError> {
        let DuePart { table, part } = due;
        if self.has_left(*table).await? {
            // Of another process that was cut off since this one looked: the next run finishes it.
            return Ok(None);
        }
        self.make_beside(*table).await?;
        if self.is_marked(*table).await? {
            // Emptied, and cut off before it could be said.
            self.empty(*table).await?;
        }
        let db = self.begin().await?;
        let kept = kept_rows(&db, *table, (table.name(), Some(part)), limit).await?;
        db.rollback().await?;
        if kept.is_none() {
            return Ok(None);
        }
        self.keep_numbers(*table).await?;
        self.alter(&format!(
            "ALTER TABLE {} EXCHANGE PARTITION {} WITH TABLE {}",
            table.name(),
            part.name,
            beside(*table)
        ))
        .await?;
        Ok(Some(self.count_and_empty(*table, limit).await?))
    }

    /// Has the table beside one know a number that no row has yet.
    async fn keep_numbers(&self, table: MonthTable) -> Result<(), StoreError> {
        // What MySQL says of it is a day old without this; MariaDB knows no such setting, and skips the comment.
        const FRESH: &str = "/*!80000 SET SESSION information_schema_stats_expiry = 0 */";
        let (name, beside) = (table.name(), beside(table));
        let question = format!(
            "SELECT CAST(COALESCE(MAX(AUTO_INCREMENT), 0) AS SIGNED) AS number \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{name}'"
        );
        let db = self.begin().await?;
        db.execute_unprepared(FRESH).await?;
        let told = db.query_one_raw(Statement::from_string(Dialect::MySql.backend(), question));
        let next = told.await?.map_or(Ok(0), |row| row.try_get::<i64>("", "number"))?;
        db.rollback().await?;
        // Bodies are numbered by their webhooks.
        if next == 0 {
            return Ok(());
        }
        let next = next + NUMBERS_LEFT_OUT;
        self.alter(&format!("ALTER TABLE {beside} AUTO_INCREMENT = {next}")).await
    }

    /// Makes the table beside one. It takes its name when it is as it has to be.
    async fn make_beside(&self, table: MonthTable) -> Result<(), StoreError> {
        if self.primary.trusted().await?.db.query_one_raw(is_beside(table)).await?.is_some() {
            return Ok(());
        }
        let (name, beside) = (table.name(), beside(table));
        self.alter(&format!(
            "DROP TABLE IF EXISTS {beside}_new; CREATE TABLE {beside}_new LIKE {name}; \
             ALTER TABLE {beside}_new REMOVE PARTITIONING; RENAME TABLE {beside}_new TO {beside}"
        ))
        .await
    }

    /// Goes on with what a run before left; rows of which it is not known whether the archive has them are put back.
    pub(super) async fn finish_leaving(
        &self,
        before: DateTime<Utc>,
        has_archive: bool,
    ) -> Result<(), StoreError> {
        for table in [MonthTable::Ledger, MonthTable::Duplicates, MonthTable::Bodies] {
            if !self.has_left(table).await? {
                continue;
            }
            let Some(turn) = self.parts_turn().await? else { return Ok(()) };
            if self.is_marked(table).await? {
                self.empty(table).await?;
            } else if self.has_left(table).await? {
                let none = ArchivedPart { at: DateTime::UNIX_EPOCH, lacking: Vec::new() };
                let archived = (has_archive && table == MonthTable::Ledger).then_some(none);
                self.count_and_empty(table, &PartLimit { before, archived }).await?;
            }
            turn.rollback().await?;
        }
        Ok(())
    }

    async fn is_marked(&self, table: MonthTable) -> Result<bool, StoreError> {
        let row = self.cursor(&mark(table)).await?;
        Ok(row.is_some_and(|row| row.cursor_id != 0))
    }

    /// Counts what is beside the table, once what stays was put back, and empties it.
    async fn count_and_empty(
        &self,
        table: MonthTable,
        limit: &PartLimit,
    ) -> Result<u64, StoreError> {
        let beside = beside(table);
        loop {
            let db = self.begin().await?;
            let kept = kept_rows(&db, table, (&beside, None), limit).await?;
            let (kept, are_all) = match kept {
                Some(kept) => (kept, true),
                None => (some_rows(&db, table, &beside).await?, false),
            };
            let again = put_back(&db, table, &beside, &kept).await?;
            if !are_all {
                sums::add(&db, again, self.clock.now()).await?;
                db.commit().await?;
                continue;
            }
            let mut sums = sums_of(&db, table, (&beside, None), &[]).await?;
            let gone = total(&sums);
            for (of, webhooks) in again {
                *sums.entry(of).or_default() += webhooks;
            }
            self.write_cursor(&db, &mark(table), 1, None).await?;
            sums::add(&db, sums, self.clock.now()).await?;
            db.commit().await?;
            self.empty(table).await?;
            return Ok(gone);
        }
    }

    /// Empties what was counted, then takes the mark away.
    async fn empty(&self, table: MonthTable) -> Result<(), StoreError> {
        self.alter(&format!("TRUNCATE TABLE {}", beside(table))).await?;
        let db = self.begin().await?;
        self.write_cursor(&db, &mark(table), 0, None).await?;
        db.commit().await
    }

    /// Changes a table, on a connection of its own.
    async fn alter(&self, sql: &str) -> Result<(), StoreError> {
        let pool = self.primary.trusted().await?;
        pool.db.execute_unprepared(&format!("{LOCK}; {sql}; {NO_LOCK}")).await?;
        Ok(())
    }
}
