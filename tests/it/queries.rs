//! The document for application developers, `entity/README.md`: every column is explained, and every
//! query runs as printed on each database, finds what it should, and reads no big table whole.

mod document;
mod filled;
mod plan;

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement};

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use document::{Query, columns, queries};
use filled::{Values, fill};
use plan::Plan;

on_each_database!(queries_run_as_printed_and_use_their_indexes);

async fn queries_run_as_printed_and_use_their_indexes(kind: Kind) {
    let app = TestApp::start(kind).await;
    let values = fill(&app).await;
    let queries = queries();
    assert!(queries.len() >= 10, "{}", queries.len());
    let mut wrong = Vec::new();
    for query in &queries {
        rows(app.db(), &query.sql).await;
        wrong.extend(problems(app.db(), query, &values).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong with a query's result or plan, with the values of this database.
async fn problems(db: &DatabaseConnection, query: &Query, values: &Values) -> Vec<String> {
    let sql = values.put_into(&query.sql);
    let found = rows(db, &sql).await;
    let plan = Plan::of(db, &sql).await;
    let mut wrong = Vec::new();
    if found.is_empty() {
        wrong.push(format!("{}: no rows\n{sql}", query.title));
    }
    if let Some(table) = plan.reads_whole(&sql) {
        wrong.push(format!("{}: reads all of {table}\n{plan}", query.title));
    }
    if !query.indexes.iter().any(|index| plan.uses(index)) {
        wrong.push(format!("{}: uses none of {:?}\n{plan}", query.title, query.indexes));
    }
    wrong
}

async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

/// The first column of the first row, as text.
async fn text(db: &DatabaseConnection, sql: &str) -> String {
    let rows = rows(db, sql).await;
    let row = rows.first().unwrap_or_else(|| panic!("no rows: {sql}"));
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn every_column_is_explained_and_there() {
    let app = TestApp::start(Kind::Sqlite).await;
    let sql = "SELECT t.name || '.' || c.name AS name FROM sqlite_master t \
               JOIN pragma_table_info(t.name) c \
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '%migrations'";
    let there: BTreeSet<String> =
        rows(app.db(), sql).await.iter().map(|row| row.try_get("", "name").unwrap()).collect();
    let explained = columns();
    let ghosts: Vec<&String> = explained.difference(&there).collect();
    assert!(ghosts.is_empty(), "explained, but not there: {ghosts:?}");
    let said_for_all = |name: &str| {
        [".id", ".created_at", ".updated_at", "version"].iter().any(|end| name.ends_with(end))
    };
    let silent: Vec<&String> =
        there.difference(&explained).filter(|name| !said_for_all(name)).collect();
    assert!(silent.is_empty(), "not explained: {silent:?}");
}
