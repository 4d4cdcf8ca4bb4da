//! What a database reads to answer a query: on PostgreSQL blocks, on the others rows.

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement, TransactionTrait,
};

use crate::app::TestApp;

/// Steps of SQLite's machine for a row that it reads, about.
const STEPS_OF_ROW: i64 = 10;

/// Of one that has been asked before, so that nothing is cold.
pub async fn cost(app: &TestApp, sql: &str) -> i64 {
    match app.db().get_database_backend() {
        DbBackend::Sqlite => rows_of_sqlite(&app.database_url, sql),
        DbBackend::MySql => rows_of_mysql(app, sql).await,
        _ => blocks_of_postgres(app, sql).await,
    }
}

fn rows_of_sqlite(url: &str, sql: &str) -> i64 {
    let path = url.strip_prefix("sqlite://").unwrap();
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    i64::from(statement.get_status(rusqlite::StatementStatus::VmStep)) / STEPS_OF_ROW
}

/// On one connection, which alone counts what it reads.
async fn rows_of_mysql(app: &TestApp, sql: &str) -> i64 {
    let db = app.db().begin().await.unwrap();
    let [first, before] = [handler_reads(&db).await, handler_reads(&db).await];
    select(&db, sql).await;
    let after = handler_reads(&db).await;
    db.commit().await.unwrap();
    // Asking reads, too.
    after - before - (before - first)
}

async fn handler_reads(db: &DatabaseTransaction) -> i64 {
    let counters = select(db, "SHOW SESSION STATUS LIKE 'Handler_read%'").await;
    let value = |row: &QueryResult| row.try_get::<String>("", "Value").unwrap();
    counters.iter().map(|row| value(row).parse::<i64>().unwrap()).sum()
}

async fn blocks_of_postgres(app: &TestApp, sql: &str) -> i64 {
    let db = app.db().begin().await.unwrap();
    let lines = select(&db, &format!("EXPLAIN (ANALYZE, BUFFERS) {sql}")).await;
    db.commit().await.unwrap();
    let lines = lines.iter().map(|row| row.try_get::<String>("", "QUERY PLAN").unwrap());
    // The first is the whole plan's.
    let buffers = lines.into_iter().find(|line| line.contains("Buffers: ")).unwrap_or_default();
    let counts = buffers.split([' ', ',']).filter_map(|word| {
        let (name, count) = word.split_once('=')?;
        matches!(name, "hit" | "read").then(|| count.parse::<i64>().unwrap())
    });
    counts.sum()
}

async fn select(db: &DatabaseTransaction, sql: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}
