//! MySQL and MariaDB: the keys get the month while everybody writes; then the table is put aside, and its rows are
//! exchanged into the first part of a new one, which takes its name.
//!
//! While it is aside, nobody finds it: workers hold what they have, as in any outage. So a run that is killed there
//! leaves nothing that could be written twice, only a table to be put back by the next run.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use super::{Division, DivisionError, one};
use crate::store::months::MonthTable;
use crate::store::sql::dialect::Dialect;
use crate::webhook::month::{FIRST_MONTH, NO_MONTH, month_after};

/// How long a lock is waited for while others wait behind.
const LOCK: &str = "SET SESSION lock_wait_timeout = 2";
const NO_LOCK: &str = "SET SESSION lock_wait_timeout = DEFAULT";

/// What others have added to our tables and would be left behind.
pub(super) const FOREIGN: &str = "\
    SELECT CAST(CONCAT('foreign key ', CONSTRAINT_NAME, ' of ', TABLE_NAME) AS CHAR) AS what \
        FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() \
        AND REFERENCED_TABLE_NAME IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies') \
        AND CONSTRAINT_NAME <> 'fk_webhook_duplicates_webhook_event_id' \
    UNION SELECT CAST(CONCAT('trigger ', TRIGGER_NAME, ' on ', EVENT_OBJECT_TABLE) AS CHAR) \
        FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = DATABASE() \
        AND EVENT_OBJECT_TABLE IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies') \
    UNION SELECT CAST(CONCAT('unique index ', INDEX_NAME, ' on ', TABLE_NAME) AS CHAR) \
        FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 \
        AND TABLE_NAME IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies') \
        AND INDEX_NAME NOT IN ('PRIMARY', CONCAT('uq_', TABLE_NAME, '_key'))";

pub(super) fn sizes(table: MonthTable) -> String {
    format!(
        "SELECT CAST(TABLE_ROWS AS SIGNED) AS rows_about, \
         CAST(DATA_LENGTH + INDEX_LENGTH AS SIGNED) AS bytes FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('{0}', '{0}_first') \
         ORDER BY 2 DESC LIMIT 1",
        table.name()
    )
}

pub(super) async fn has_begun(db: &DatabaseConnection, table: MonthTable) -> Result<bool, DbErr> {
    let (keyed, table) = (keyed(table), table.name());
    let sql = format!("{keyed} UNION ALL {}", exists(&format!("{table}_first")));
    Ok(one(db, &sql).await?.is_some())
}

/// Whether the month is part of the primary key.
fn keyed(table: MonthTable) -> String {
    format!(
        "SELECT CAST(1 AS SIGNED) AS number FROM information_schema.STATISTICS \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{}' \
         AND INDEX_NAME = 'PRIMARY' AND COLUMN_NAME = 'month'",
        table.name()
    )
}

fn exists(table: &str) -> String {
    format!(
        "SELECT CAST(1 AS SIGNED) AS number FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{table}'"
    )
}

pub(super) async fn divide(division: &Division) -> Result<(), DivisionError> {
    let table = division.table.name();
    if !division.has(&exists(&format!("{table}_first"))).await? {
        key(division).await?;
        make_new(division).await?;
        division
            .run_patiently(&format!("{LOCK}; RENAME TABLE {table} TO {table}_first; {NO_LOCK}"))
            .await?;
    }
    exchange(division).await
}

/// Removes what was put aside, which is empty once its rows are in the first part.
pub(super) async fn clean(division: &Division) -> Result<(), DivisionError> {
    let aside = format!("{}_first", division.table.name());
    if division.has(&exists(&aside)).await? && !has_rows(division, &aside).await? {
        division.run(&format!("DROP TABLE {aside}")).await?;
    }
    Ok(())
}

async fn has_rows(division: &Division, table: &str) -> Result<bool, DbErr> {
    division.has(&format!("SELECT CAST(1 AS SIGNED) AS number FROM {table} LIMIT 1")).await
}

/// Adds the month to the keys, in place.
async fn key(division: &Division) -> Result<(), DivisionError> {
    if division.has(&keyed(division.table)).await? {
        return Ok(());
    }
    division.align(Dialect::MySql).await?;
    let table = division.table.name();
    let refers = format!(
        "SELECT CAST(1 AS SIGNED) AS number FROM information_schema.REFERENTIAL_CONSTRAINTS \
         WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = '{table}' \
         AND CONSTRAINT_NAME = 'fk_{table}_webhook_event_id'"
    );
    if division.has(&refers).await? {
        let drop = format!("ALTER TABLE {table} DROP FOREIGN KEY fk_{table}_webhook_event_id");
        division.run_patiently(&format!("{LOCK}; {drop}; {NO_LOCK}")).await?;
    }
    let (primary, key) = division.keys();
    let key = match key.join(", ") {
        none if none.is_empty() => String::new(),
        key => {
            format!("DROP INDEX uq_{table}_key, ADD UNIQUE INDEX uq_{table}_key ({key}, month), ")
        }
    };
    let change = format!(
        "ALTER TABLE {table} DROP PRIMARY KEY, ADD PRIMARY KEY ({primary}, month), {key}\
         ALTER COLUMN month DROP DEFAULT, ALGORITHM=INPLACE, LOCK=NONE"
    );
    division.run_patiently(&format!("{LOCK}; {change}; {NO_LOCK}")).await
}

/// Makes the table that is to take the name, with its parts.
async fn make_new(division: &Division) -> Result<(), DivisionError> {
    let table = division.table.name();
    let months = first_months(division).await?;
    let new = format!("{table}_new");
    if division.has(&exists(&new)).await? {
        if has_rows(division, &new).await? {
            return Err(DivisionError::Unclear(table));
        }
        division.run(&format!("DROP TABLE {new}")).await?;
    }
    division.run(&format!("CREATE TABLE {table}_new LIKE {table}")).await?;
    let divide = format!(
        "ALTER TABLE {table}_new PARTITION BY LIST (month) (PARTITION pfirst VALUES IN ({months}))"
    );
    Ok(division.run(&divide).await?)
}

/// None, all that have been, and those of a clock that is ahead.
async fn first_months(division: &Division) -> Result<String, DbErr> {
    let table = division.table.name();
    let ahead = format!(
        "SELECT DISTINCT CAST(month AS SIGNED) AS number FROM {table} WHERE month > {}",
        division.last_month
    );
    let statement = Statement::from_string(Dialect::MySql.backend(), ahead);
    let rows = division.db.query_all_raw(statement).await?;
    let ahead: Vec<i64> =
        rows.iter().map(|row| row.try_get("", "number")).collect::<Result<_, _>>()?;
    let past = std::iter::successors(Some(FIRST_MONTH), |month| Some(month_after(*month)));
    let past = past.take_while(|month| *month <= division.last_month).map(i64::from);
    let all = [i64::from(NO_MONTH)].into_iter().chain(past).chain(ahead);
    Ok(all.map(|month| month.to_string()).collect::<Vec<_>>().join(", "))
}

/// Puts the rows that are aside into the first part. If one came meanwhile whose month is not of it, the table is
/// put back, and the next run counts it in.
async fn exchange(division: &Division) -> Result<(), DivisionError> {
    let table = division.table.name();
    let (aside, new) = (format!("{table}_first"), format!("{table}_new"));
    // Looked at each time: a statement of a run that was killed may still be on its way, and would exchange once more.
    while has_rows(division, &aside).await? {
        let exchange = format!("ALTER TABLE {new} EXCHANGE PARTITION pfirst WITH TABLE {aside}");
        let exchanged = division.run(&exchange).await;
        if let Err(error) = exchanged
            && has_rows(division, &aside).await?
        {
            division.run(&format!("RENAME TABLE {aside} TO {table}")).await?;
            return Err(error.into());
        }
    }
    let (primary, _) = division.keys();
    if division.table != MonthTable::Bodies {
        let last = format!("SELECT CAST(MAX({primary}) AS SIGNED) AS number FROM {table}_new");
        let next = division.number(&last).await?.unwrap_or_default() + 1;
        division.run(&format!("ALTER TABLE {table}_new AUTO_INCREMENT = {next}")).await?;
    }
    Ok(division.run(&format!("RENAME TABLE {table}_new TO {table}")).await?)
}
