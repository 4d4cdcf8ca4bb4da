//! Steps meet tables with rows in them, as they do at a customer's: what the release before wrote
//! survives each step, up and down, as far as its columns do.

use std::collections::BTreeMap;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::database::{Database, Kind, on_each_database};
use crate::migrations_foreign::tables;
use crate::rows::value;

on_each_database!(rows_survive_every_step);

/// Rows by table and id, each with its values by column.
type Contents = BTreeMap<(String, String), BTreeMap<String, String>>;

async fn rows_survive_every_step(kind: Kind) {
    let database = Database::create(kind).await;
    let db = database.connect().await;
    let mut number = 0;
    let mut before = Contents::new();
    for step in Migrator::migrations() {
        Migrator::up(&db, Some(1)).await.unwrap();
        assert_kept(&before, &contents(&database).await, step.name(), false);
        // Their one row is made with the table.
        let has_row = |table: &str| ["waha_feed", "waha_search"].contains(&table);
        for (table, _) in parents_first(&db).await.into_iter().filter(|(it, _)| !has_row(it)) {
            number += 1;
            insert(&db, &table, number).await;
        }
        before = contents(&database).await;
    }
    for step in Migrator::migrations().iter().rev() {
        migration::down(&db, Some(1)).await.unwrap();
        let after = contents(&database).await;
        assert_kept(&before, &after, step.name(), true);
        before = after;
    }
    assert_eq!(before, Contents::new());
}

/// What a step empties on purpose: its name and the column.
const EMPTIED: [(&str, &str); 1] = [("m20261203_000020_remove_files", "config")];

/// Every row and value of `before` is in `after`, except what the step empties and, on the way down, what
/// has no table or column any more.
fn assert_kept(before: &Contents, after: &Contents, step: &str, may_lose_places: bool) {
    for ((table, id), values) in before {
        let is_table_gone = !after.keys().any(|(other, _)| other == table);
        if may_lose_places && is_table_gone {
            continue;
        }
        let kept = after.get(&(table.clone(), id.clone()));
        let kept = kept.unwrap_or_else(|| panic!("{step}: row {id} of {table} is gone"));
        for (column, value) in values {
            match kept.get(column) {
                Some(_) if EMPTIED.contains(&(step, column.as_str())) => {}
                Some(kept) => assert_eq!(kept, value, "{step}: {column} of row {id} of {table}"),
                None => assert!(may_lose_places, "{step}: {column} of {table} is gone"),
            }
        }
    }
}

/// Read through a new connection: an older one has prepared `SELECT *` for the columns of before.
async fn contents(database: &Database) -> Contents {
    let db = database.connect().await;
    let mut contents = Contents::new();
    for (table, _) in parents_first(&db).await {
        let sql = format!("SELECT * FROM {table}");
        let rows = Statement::from_string(db.get_database_backend(), sql);
        for row in db.query_all_raw(rows).await.unwrap() {
            let columns = row.column_names().into_iter();
            let values: BTreeMap<String, String> =
                columns.map(|column| (column.clone(), value(&row, &column))).collect();
            let keys = ["id", "position", "webhook_event_id", "dictionary_id"];
            let id = keys.iter().find_map(|key| values.get(*key)).unwrap().clone();
            contents.insert((table.clone(), id), values);
        }
    }
    db.close().await.unwrap();
    contents
}

/// Columns that point to a row of another table.
const PARENTS: [(&str, &str); 6] = [
    ("session_id", "waha_sessions"),
    ("chat_id", "waha_chats"),
    ("webhook_event_id", "webhook_events"),
    ("dead_letter_id", "dead_letters"),
    ("job_id", "replay_jobs"),
    ("message_row_id", "waha_messages"),
];

/// Our tables with their columns and types; those that others point to come first.
async fn parents_first(db: &DatabaseConnection) -> Vec<(String, Vec<(String, String)>)> {
    let mut all = Vec::new();
    for table in tables(db).await {
        // Words are made from messages, and on SQLite can't be read back.
        if !["waha_ingest_migrations", "waha_message_words"].contains(&table.as_str()) {
            let columns = columns(db, &table).await;
            all.push((table, columns));
        }
    }
    let rank = |name: &str| PARENTS.iter().position(|(_, parent)| *parent == name);
    all.sort_by_key(|(table, _)| rank(table).unwrap_or(PARENTS.len()));
    all
}

/// The columns of a table with their types.
pub async fn columns(db: &DatabaseConnection, table: &str) -> Vec<(String, String)> {
    let backend = db.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => format!(
            "SELECT column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = '{table}'"
        ),
        DbBackend::MySql => format!(
            "SELECT CAST(COLUMN_NAME AS CHAR), CAST(COLUMN_TYPE AS CHAR) \
             FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{table}'"
        ),
        _ => format!("SELECT name, LOWER(type) FROM pragma_table_info('{table}')"),
    };
    let rows = db.query_all_raw(Statement::from_string(backend, sql)).await.unwrap();
    let text = |row: &sea_orm::QueryResult, at| row.try_get_by_index::<String>(at).unwrap();
    rows.iter().map(|row| (text(row, 0), text(row, 1))).collect()
}

/// A row with a value in every column but its id and what points to itself.
pub async fn insert(db: &DatabaseConnection, table: &str, number: u32) {
    let mut names = Vec::new();
    let mut values = Vec::new();
    for (name, kind) in columns(db, table).await {
        if name == "id" || name == "merged_into" {
            continue;
        }
        values.push(literal(db.get_database_backend(), &name, &kind, number));
        names.push(name);
    }
    let (names, values) = (names.join(", "), values.join(", "));
    let sql = format!("INSERT INTO {table} ({names}) VALUES ({values})");
    db.execute_unprepared(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn literal(backend: DbBackend, name: &str, kind: &str, number: u32) -> String {
    let is_text = kind.contains("char") || (kind.contains("text") && !kind.contains("time"));
    let parent = PARENTS.iter().find(|(column, _)| *column == name).filter(|_| !is_text);
    if let Some((_, parent)) = parent {
        return format!("(SELECT MAX(id) FROM {parent} p)");
    }
    if kind.contains("time") {
        return "'2026-11-20 08:00:00'".to_owned();
    }
    if is_text {
        return format!("'s{number}'");
    }
    if kind.contains("blob") || kind.contains("bytea") {
        return if backend == DbBackend::Postgres { r"'\x00ff'" } else { "X'00FF'" }.to_owned();
    }
    if kind.contains("bool") || kind == "tinyint(1)" {
        return "TRUE".to_owned();
    }
    number.to_string()
}
