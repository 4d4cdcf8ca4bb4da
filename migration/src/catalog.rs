//! What is in the place where our tables are or would be: PostgreSQL's current schema, the database
//! of the URL on MySQL and MariaDB, SQLite's file. Called by `ownership` and `tables`; reads only.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use crate::error::MigrateError;

/// What the comment of a table of ours begins with.
const MARK: &str = "waha-ingest";
/// The comment of a table of ours. Applications may write on; the beginning is what counts.
pub(crate) const COMMENT: &str = "waha-ingest: made and changed by its migrations";

/// Whatever has a name that a table could have.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// As the database spells it.
    pub(crate) name: String,
    /// Whether it is a table; else a view, an index, a sequence.
    pub(crate) is_table: bool,
    /// Whether its comment says that we made it. SQLite has no comments.
    pub(crate) is_marked: bool,
}

/// All of them, by name as a `CREATE TABLE` of ours would meet it.
pub(crate) async fn relations(
    db: &impl ConnectionTrait,
) -> Result<BTreeMap<String, Relation>, MigrateError> {
    let backend = db.get_database_backend();
    let folds_case = folds_case(db).await?;
    let rows = db.query_all_raw(Statement::from_string(backend, relations_of(backend))).await?;
    let mut all = BTreeMap::new();
    for row in &rows {
        let relation = relation(row)?;
        let met_as = if folds_case { relation.name.to_lowercase() } else { relation.name.clone() };
        all.insert(met_as, relation);
    }
    Ok(all)
}

/// Whether there is a place at all; else a name would be looked up, and made, nowhere.
pub(crate) async fn require_place(db: &impl ConnectionTrait) -> Result<(), MigrateError> {
    let (sql, kind) = match db.get_database_backend() {
        DbBackend::Postgres => ("SELECT current_schema()::text", "schema of its search_path"),
        DbBackend::MySql => ("SELECT CAST(DATABASE() AS CHAR)", "database"),
        DbBackend::Sqlite | _ => return Ok(()),
    };
    let question = Statement::from_string(db.get_database_backend(), sql);
    let place = db.query_one_raw(question).await?;
    let place = place.map(|row| row.try_get_by_index::<Option<String>>(0)).transpose()?.flatten();
    place.map(drop).ok_or(MigrateError::Nowhere(kind))
}

/// The columns of every table.
pub(crate) async fn columns(
    db: &impl ConnectionTrait,
) -> Result<BTreeMap<String, BTreeSet<String>>, DbErr> {
    let backend = db.get_database_backend();
    let rows = db.query_all_raw(Statement::from_string(backend, columns_of(backend))).await?;
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in &rows {
        let table: String = row.try_get_by_index(0)?;
        all.entry(table).or_default().insert(row.try_get_by_index(1)?);
    }
    Ok(all)
}

/// How many rows a table has.
pub(crate) async fn count_rows(db: &impl ConnectionTrait, table: &str) -> Result<u64, DbErr> {
    let backend = db.get_database_backend();
    let integer = if backend == DbBackend::MySql { "SIGNED" } else { "BIGINT" };
    let sql = format!("SELECT CAST(COUNT(*) AS {integer}) FROM {table}");
    let row = db.query_one_raw(Statement::from_string(backend, sql)).await?;
    let count = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?.unwrap_or_default();
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Says in a table's comment that it is ours; where there are no comments, nothing.
pub(crate) async fn mark(db: &impl ConnectionTrait, table: &str) -> Result<(), DbErr> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => format!("COMMENT ON TABLE {table} IS '{COMMENT}'"),
        DbBackend::MySql => format!("ALTER TABLE {table} COMMENT = '{COMMENT}'"),
        DbBackend::Sqlite | _ => return Ok(()),
    };
    db.execute_unprepared(&sql).await.map(drop)
}

/// Whether a table of this very name is there and carries our mark.
pub(crate) async fn is_marked(db: &impl ConnectionTrait, table: &str) -> Result<bool, DbErr> {
    let backend = db.get_database_backend();
    let rows = db.query_all_raw(Statement::from_string(backend, relations_of(backend))).await?;
    let relations = rows.iter().map(relation).collect::<Result<Vec<Relation>, DbErr>>()?;
    Ok(relations.iter().any(|it| it.name == table && it.is_table && it.is_marked))
}

/// Whether tables here can carry a mark.
pub(crate) fn has_marks(backend: DbBackend) -> bool {
    matches!(backend, DbBackend::Postgres | DbBackend::MySql)
}

/// Whether names that differ in case only are one name: in SQLite always, in MySQL and MariaDB if the
/// server was set up so.
async fn folds_case(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    match db.get_database_backend() {
        DbBackend::MySql => {
            let sql = "SELECT CAST(@@lower_case_table_names AS SIGNED)";
            let row = db.query_one_raw(Statement::from_string(DbBackend::MySql, sql)).await?;
            Ok(row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?.is_some_and(|it| it > 0))
        }
        DbBackend::Sqlite => Ok(true),
        _ => Ok(false),
    }
}

fn relation(row: &QueryResult) -> Result<Relation, DbErr> {
    let comment: String = row.try_get_by_index(2)?;
    Ok(Relation {
        name: row.try_get_by_index(0)?,
        is_table: row.try_get_by_index::<String>(1)? == "table",
        is_marked: comment.starts_with(MARK),
    })
}

/// Name, "table" or another word, comment.
fn relations_of(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => {
            "SELECT c.relname::text, \
             CASE WHEN c.relkind IN ('r', 'p') THEN 'table' ELSE 'other' END, \
             COALESCE(obj_description(c.oid, 'pg_class'), '') \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = current_schema()"
        }
        DbBackend::MySql => {
            "SELECT CAST(TABLE_NAME AS CHAR), \
             CASE WHEN TABLE_TYPE = 'BASE TABLE' THEN 'table' ELSE 'other' END, \
             CAST(TABLE_COMMENT AS CHAR) \
             FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
        }
        DbBackend::Sqlite | _ => {
            "SELECT name, CASE WHEN type = 'table' THEN 'table' ELSE 'other' END, '' \
             FROM sqlite_master WHERE type IN ('table', 'view', 'index')"
        }
    }
}

/// Table and column.
fn columns_of(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => {
            "SELECT table_name::text, column_name::text \
             FROM information_schema.columns WHERE table_schema = current_schema()"
        }
        DbBackend::MySql => {
            "SELECT CAST(TABLE_NAME AS CHAR), CAST(COLUMN_NAME AS CHAR) \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
        }
        DbBackend::Sqlite | _ => {
            "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p \
             WHERE m.type = 'table'"
        }
    }
}
