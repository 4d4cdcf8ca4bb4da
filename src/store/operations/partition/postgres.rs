//! PostgreSQL: the keys with the month are built beside the others while everybody writes; a check says that all
//! rows are of the first part, and is validated while everybody writes. Then, under a lock of milliseconds, the table
//! becomes a part of a new one of its name.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use super::{Division, DivisionError, one};
use crate::store::months::MonthTable;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::CHECK;
use crate::webhook::month::month_after;

/// How long a lock is waited for while others wait behind.
const LOCK: &str = "SET LOCAL lock_timeout = '2s'";

/// What others have added to our tables and would be left behind.
pub(super) const FOREIGN: &str = "\
    WITH ours AS (SELECT c.oid, c.relname FROM pg_class c \
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' \
        AND c.relname IN ('webhook_events', 'webhook_duplicates', 'webhook_bodies')) \
    SELECT 'foreign key ' || k.conname || ' of ' || k.conrelid::regclass::text AS what \
        FROM pg_constraint k JOIN ours ON ours.oid = k.confrelid \
        WHERE k.contype = 'f' AND k.conname <> 'fk_webhook_duplicates_webhook_event_id' \
    UNION SELECT 'trigger ' || g.tgname || ' on ' || ours.relname \
        FROM pg_trigger g JOIN ours ON ours.oid = g.tgrelid WHERE NOT g.tgisinternal \
    UNION SELECT 'view ' || w.ev_class::regclass::text || ' on ' || ours.relname \
        FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid JOIN ours ON ours.oid = d.refobjid \
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass \
    UNION SELECT 'unique index ' || i.indexrelid::regclass::text || ' on ' || ours.relname \
        FROM pg_index i JOIN ours ON ours.oid = i.indrelid WHERE i.indisunique \
        AND i.indexrelid::regclass::text NOT LIKE ours.relname || '_pkey' \
        AND i.indexrelid::regclass::text NOT LIKE ours.relname || '_first%' \
        AND i.indexrelid::regclass::text NOT LIKE 'uq_' || ours.relname || '_key' \
    UNION SELECT 'row security on ' || ours.relname \
        FROM pg_class c JOIN ours ON ours.oid = c.oid WHERE c.relrowsecurity";

pub(super) fn sizes(table: MonthTable) -> String {
    format!(
        "SELECT CAST(sum(greatest(reltuples, 0)) AS BIGINT) AS rows_about, \
         CAST(sum(pg_total_relation_size(oid)) AS BIGINT) AS bytes FROM pg_class \
         WHERE oid = '{0}'::regclass OR oid IN (SELECT relid FROM pg_partition_tree('{0}'))",
        table.name()
    )
}

pub(super) async fn has_begun(db: &DatabaseConnection, table: MonthTable) -> Result<bool, DbErr> {
    let sql =
        format!("SELECT 1 AS number WHERE to_regclass('{}_first_pkey') IS NOT NULL", table.name());
    Ok(one(db, &sql).await?.is_some())
}

pub(super) async fn divide(division: &Division) -> Result<(), DivisionError> {
    let (primary, key) = division.keys();
    let table = division.table.name();
    build_index(division, &format!("{table}_first_pkey"), &[primary]).await?;
    if !key.is_empty() {
        build_index(division, &format!("{table}_first_key"), key).await?;
    }
    let until = check(division).await?;
    let swap = swap(division, until).await?.join("; ");
    division.run_patiently(&swap).await?;
    for table in [table.to_owned(), format!("{table}_first")] {
        division.run(&format!("ANALYZE {table}")).await?;
    }
    Ok(())
}

/// A unique index with the month, built while others write. One that was cut off is there and holds nothing.
async fn build_index(
    division: &Division,
    name: &str,
    columns: &[&str],
) -> Result<(), DivisionError> {
    let state = format!(
        "SELECT CASE WHEN indisvalid THEN 1 ELSE 0 END::bigint AS number FROM pg_index \
         WHERE indexrelid = to_regclass('{name}')"
    );
    match division.number(&state).await? {
        Some(1) => return Ok(()),
        Some(_) => division.run(&format!("DROP INDEX CONCURRENTLY {name}")).await?,
        None => {}
    }
    let (table, columns) = (division.table.name(), columns.join(", "));
    let build = format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns}, month)");
    Ok(division.run(&build).await?)
}

/// Says that all rows are of the first part; returns the month at which it ends. What is later waits until the
/// table is divided.
async fn check(division: &Division) -> Result<i32, DivisionError> {
    let table = division.table.name();
    let name = format!("{CHECK}{table}");
    let last = format!("SELECT CAST(MAX(month) AS BIGINT) AS number FROM {table}");
    let last = division.number(&last).await?.and_then(|month| i32::try_from(month).ok());
    let until = month_after(division.last_month.max(last.unwrap_or_default()));
    let there = format!(
        "SELECT CAST(substring(pg_get_constraintdef(oid) from '< ([0-9]+)') AS BIGINT) AS number \
         FROM pg_constraint WHERE conname = '{name}' AND conrelid = '{table}'::regclass"
    );
    let there = division.number(&there).await?.and_then(|month| i32::try_from(month).ok());
    if there != Some(until) {
        division
            .run_patiently(&format!(
                "{LOCK}; ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}; \
                 ALTER TABLE {table} ADD CONSTRAINT {name} \
                 CHECK (month IS NOT NULL AND month < {until}) NOT VALID"
            ))
            .await?;
    }
    division.run(&format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}")).await?;
    Ok(until)
}

/// The statements of the one transaction, sent as one message.
async fn swap(division: &Division, until: i32) -> Result<Vec<String>, DbErr> {
    let table = division.table.name();
    let (primary, key) = division.keys();
    let mut sql = vec![LOCK.to_owned()];
    if division.table == MonthTable::Duplicates {
        // In the order in which writers take them.
        sql.push(format!("LOCK TABLE webhook_events, {table} IN ACCESS EXCLUSIVE MODE"));
        sql.push(format!(
            "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fk_{table}_webhook_event_id"
        ));
    } else {
        sql.push(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
    }
    let others = other_indexes(division).await?;
    sql.push(format!("ALTER TABLE {table} RENAME TO {table}_first"));
    sql.push(format!(
        "ALTER TABLE {table}_first DROP CONSTRAINT {table}_pkey, \
         ADD CONSTRAINT {table}_first_pkey PRIMARY KEY USING INDEX {table}_first_pkey"
    ));
    if !key.is_empty() {
        sql.push(format!("DROP INDEX uq_{table}_key"));
    }
    for (name, _) in &others {
        sql.push(format!("ALTER INDEX {name} RENAME TO {name}_first"));
    }
    let next = next_id(division).await?;
    let drop_identity = if next.is_some() { "ALTER COLUMN id DROP IDENTITY, " } else { "" };
    sql.push(format!("ALTER TABLE {table}_first {drop_identity}ALTER COLUMN month DROP DEFAULT"));
    sql.push(format!(
        "CREATE TABLE {table} \
         (LIKE {table}_first INCLUDING ALL EXCLUDING INDEXES EXCLUDING CONSTRAINTS) \
         PARTITION BY RANGE (month)"
    ));
    if next.is_some() {
        sql.push(format!(
            "ALTER TABLE {table} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY"
        ));
        sql.push(format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), \
             GREATEST((SELECT MAX(id) FROM {table}_first), {}))",
            next.unwrap_or(1)
        ));
    }
    sql.push(format!(
        "ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY ({primary}, month)"
    ));
    if !key.is_empty() {
        let key = key.join(", ");
        sql.push(format!("CREATE UNIQUE INDEX uq_{table}_key ON {table} ({key}, month)"));
    }
    sql.extend(others.into_iter().map(|(_, definition)| definition));
    sql.push(format!(
        "ALTER TABLE {table} ATTACH PARTITION {table}_first FOR VALUES FROM (MINVALUE) TO ({until})"
    ));
    sql.push(format!("ALTER TABLE {table}_first DROP CONSTRAINT {CHECK}{table}"));
    sql.extend(rights_and_mark(division).await?);
    Ok(sql)
}

/// Indexes beside the keys, with what makes them: it names the table, which is another one then.
async fn other_indexes(division: &Division) -> Result<Vec<(String, String)>, DbErr> {
    let table = division.table.name();
    let sql = format!(
        "SELECT quote_ident(c.relname) AS name, pg_get_indexdef(i.indexrelid) AS definition \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         WHERE i.indrelid = '{table}'::regclass AND NOT i.indisunique AND i.indisvalid"
    );
    let rows = division.db.query_all_raw(statement(&sql)).await?;
    rows.iter().map(|row| Ok((row.try_get("", "name")?, row.try_get("", "definition")?))).collect()
}

/// The last number that was given, if the database gives them.
async fn next_id(division: &Division) -> Result<Option<i64>, DbErr> {
    if division.table == MonthTable::Bodies {
        return Ok(None);
    }
    let table = division.table.name();
    let sql = format!(
        "SELECT pg_sequence_last_value(pg_get_serial_sequence('{table}', 'id')::regclass) AS number"
    );
    Ok(Some(division.number(&sql).await?.unwrap_or(1)))
}

/// Who may what, and the mark that says whose table it is: both belong to the table that was.
async fn rights_and_mark(division: &Division) -> Result<Vec<String>, DbErr> {
    let table = division.table.name();
    let sql = format!(
        "SELECT format('GRANT %s ON {table} TO %s', a.privilege_type, \
         CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) \
         AS line FROM pg_class c, aclexplode(c.relacl) a \
         WHERE c.oid = '{table}'::regclass AND a.grantee <> c.relowner \
         UNION ALL SELECT format('COMMENT ON TABLE {table} IS %L', \
         obj_description('{table}'::regclass, 'pg_class')) \
         UNION ALL SELECT format('ALTER TABLE {table} OWNER TO %I', pg_get_userbyid(relowner)) \
         FROM pg_class WHERE oid = '{table}'::regclass"
    );
    let rows = division.db.query_all_raw(statement(&sql)).await?;
    rows.iter().map(|row| row.try_get("", "line")).collect()
}

fn statement(sql: &str) -> Statement {
    Statement::from_string(Dialect::Postgres.backend(), sql)
}
