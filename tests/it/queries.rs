//! The document for application developers, `entity/README.md`: every column is explained, and every
//! query runs as printed on each database, finds what it should, and reads no big table whole.

pub mod document;
mod filled;
mod plan;

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement};
use serde_json::json;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use document::{Query, columns, queries, query_of};
use filled::{Values, fill};
use plan::Plan;

on_each_database!(
    queries_run_as_printed_and_use_their_indexes,
    calls_that_nobody_took_are_missed,
    who_answers_has_read,
);

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

/// What engines tell of calls that rang out, were given up, declined, and taken.
async fn calls_that_nobody_took_are_missed(kind: Kind) {
    let app = TestApp::start(kind).await;
    let told = [
        ("call.received", "rang-out", "NOWEB", json!({})),
        ("call.received", "given-up", "NOWEB", json!({})),
        ("call.rejected", "given-up", "NOWEB", json!({"status": "terminate"})),
        ("call.received", "declined", "NOWEB", json!({})),
        ("call.rejected", "declined", "NOWEB", json!({"status": "reject"})),
        ("call.rejected", "declined", "NOWEB", json!({"status": "terminate"})),
        ("call.received", "taken", "NOWEB", json!({})),
        ("call.accepted", "taken", "NOWEB", json!({"status": "accept"})),
        ("call.received", "timed-out", "GOWS", json!({})),
        ("call.rejected", "timed-out", "GOWS", json!({"Reason": "timeout"})),
        ("call.rejected", "refused", "GOWS", json!({"Data": {"Tag": "reject"}})),
        ("call.received", "by-api", "WEBJS", json!({})),
        ("call.rejected", "by-api", "WEBJS", json!({"status": "reject", "api": true})),
        ("call.received", "untold", "WPP", json!({})),
    ];
    for (number, (event, call, engine, data)) in (0_i64..).zip(&told) {
        app.post_json(&json!({
            "id": format!("evt_{number}"), "timestamp": 1_794_000_000_000 + number * 1_000,
            "event": event, "session": "shop", "engine": engine,
            "payload": {"id": call, "from": "12025550142@c.us", "timestamp": 1_794_000_000,
                        "isVideo": false, "isGroup": false, "_data": data},
        }))
        .await;
    }
    app.work_until_idle().await;
    let sql = query_of("Missed calls").sql;
    let found = rows(app.db(), &sql).await;
    let missed: BTreeSet<String> =
        found.iter().map(|row| row.try_get("", "call_id").unwrap()).collect();
    let expected = ["given-up", "rang-out", "timed-out", "untold"].map(str::to_owned);
    assert_eq!(missed, BTreeSet::from(expected));
    let declined = rows(app.db(), &sql.replace("NOT IN", "IN").replace("'received'", "''")).await;
    let declined: BTreeSet<String> =
        declined.iter().map(|row| row.try_get("", "call_id").unwrap()).collect();
    assert_eq!(declined, BTreeSet::from(["by-api", "declined", "refused"].map(str::to_owned)));
}

async fn who_answers_has_read(kind: Kind) {
    let app = TestApp::start(kind).await;
    let mut number = 0_i64;
    for (chat, written) in [("12025550141@c.us", "iiooi"), ("12025550142@c.us", "iii")] {
        for side in written.chars() {
            number += 1;
            let from_me = side == 'o';
            let at = 1_794_000_000 + number;
            app.post_json(&json!({
                "id": format!("evt_{number}"), "timestamp": at * 1_000, "event": "message.any",
                "session": "shop", "engine": "NOWEB", "me": {"id": "12025550100@c.us"},
                "payload": {"id": format!("{from_me}_{chat}_3EB0{number}"), "timestamp": at,
                            "from": chat, "fromMe": from_me, "body": "one", "ack": 1},
            }))
            .await;
        }
    }
    // What GOWS tells of a phone of the account, of the second message of the second chat.
    app.post_json(&json!({
        "id": "evt_read", "timestamp": 1_794_000_007_000_i64, "event": "message.ack",
        "session": "shop", "engine": "GOWS", "me": {"id": "12025550100@c.us"},
        "payload": {"id": "false_12025550142@c.us_3EB07", "from": "12025550142@c.us",
                    "fromMe": false, "ack": 3},
    }))
    .await;
    app.work_until_idle().await;
    let found = rows(app.db(), &query_of("Inbox with unread counts").sql).await;
    let unread: Vec<(String, i64)> = found
        .iter()
        .map(|row| (row.try_get("", "chat_id").unwrap(), row.try_get("", "unread").unwrap()))
        .collect();
    let expected = [("12025550142@c.us", 1), ("12025550141@c.us", 1)];
    assert_eq!(unread, expected.map(|(chat, unread)| (chat.to_owned(), unread)));
}

#[tokio::test]
async fn every_column_is_explained_and_there() {
    let app = TestApp::start(Kind::Sqlite).await;
    let sql = "SELECT t.name || '.' || c.name AS name FROM sqlite_master t \
               JOIN pragma_table_info(t.name) c \
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE '%migrations' \
               AND t.name NOT LIKE 'waha_message_words\\_%' ESCAPE '\\'";
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
