//! The document for application developers, `entity/README.md`: every column is explained, and every
//! query runs as printed on each database, finds what it should, and reads no big table whole.

mod bulk;
mod cost;
pub mod document;
mod filled;
mod pages;
mod plan;
mod unread;

use std::collections::BTreeSet;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryResult, Statement,
};
use serde_json::json;
use waha_ingest::store::feed::ChangeKind;
use waha_ingest::store::operations::reads::{ReadUpTo, UserRead};
use waha_ingest::store::operations::sessions::SessionReach;

use crate::app::TestApp;
use crate::database::{Kind, on_each_database};
use bulk::Size;
use document::{Query, columns, of_session, queries, query_of};
use filled::{Values, fill};
use pages::Paged;
use plan::Plan;

on_each_database!(
    queries_run_as_printed_and_use_their_indexes,
    of_a_large_session_they_read_no_more_than_a_page,
    calls_that_nobody_took_are_missed,
    who_answers_has_read,
    each_reader_has_an_inbox_and_a_badge,
    a_mark_is_written_as_printed,
);

/// Small enough for every day.
const SMALL: Size = Size { chats: 300, messages: 20, history: 1_500 };
/// 200,000 messages.
const LARGE: Size = Size { chats: 4_000, messages: 48, history: 8_000 };

/// Rows that a query may read, on PostgreSQL blocks: those of a page, whatever else there is.
const COST_MAX: i64 = 1_500;

/// Queries that are read page by page.
const PAGED: [Paged; 7] = [
    paged("Inbox with last messages and unread counts", Some("last_message_at"), "id"),
    paged("A chat's history, from the newest", Some("sent_at"), "id"),
    paged("A chat's history, from the oldest", Some("sent_at"), "id"),
    paged("Undelivered messages", Some("created_at"), "id"),
    paged("Missed calls", Some("created_at"), "id"),
    paged("People by name or part of a number", None, "jid"),
    paged("What changed since", None, "position"),
];

const fn paged(title: &'static str, time: Option<&'static str>, id: &'static str) -> Paged {
    Paged { title, time, id }
}

async fn queries_run_as_printed_and_use_their_indexes(kind: Kind) {
    check(kind, SMALL).await;
}

/// The same with a session of 200,000 messages. It is nearly all there is, so plans that read all of a table may be
/// right: what counts is what they cost.
async fn of_a_large_session_they_read_no_more_than_a_page(kind: Kind) {
    check(kind, LARGE).await;
}

async fn check(kind: Kind, size: Size) {
    let app = TestApp::start(kind).await;
    let values = fill(&app, size).await;
    let queries = queries();
    assert!(queries.len() >= 20, "{}", queries.len());
    let mut wrong = Vec::new();
    for query in &queries {
        rows(app.db(), &query.sql).await;
        wrong.extend(problems(&app, query, &values, size).await);
    }
    for paged in &PAGED {
        wrong.extend(lost(app.db(), paged, &values.put_into(&query_of(paged.title).sql)).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong with a query's result or plan, with the values of this database.
async fn problems(app: &TestApp, query: &Query, values: &Values, size: Size) -> Vec<String> {
    let sql = values.put_into(&query.sql);
    let found = rows(app.db(), &sql).await;
    let plan = Plan::of(app.db(), &sql).await;
    let mut wrong = Vec::new();
    if found.is_empty() {
        wrong.push(format!("{}: no rows\n{sql}", query.title));
    }
    if size.is_small_part() {
        wrong.extend(wrong_with_plan(query, &plan, &sql));
    }
    let (cost, most) = (cost::cost(app, &sql).await, cost_max(&query.title, size));
    if cost > most {
        wrong.push(format!("{}: reads {cost} of at most {most}\n{plan}", query.title));
    }
    wrong
}

fn wrong_with_plan(query: &Query, plan: &Plan, sql: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(table) = plan.reads_whole(sql) {
        wrong.push(format!("{}: reads all of {table}\n{plan}", query.title));
    }
    if !plan::is_small(sql) && !query.indexes.iter().any(|index| plan.uses(index)) {
        wrong.push(format!("{}: uses none of {:?}\n{plan}", query.title, query.indexes));
    }
    wrong
}

/// What a query may read; more where what is asked for is about all of a session.
fn cost_max(title: &str, size: Size) -> i64 {
    let Size { chats, messages, history } = size;
    let all = chats * messages + history;
    let more = match title {
        // Sorted and written down in between, some times.
        "Response time" => 20 * all,
        "Delivery funnel per day" | "Undelivered messages" => 6 * all,
        // What is unread of the chats of a page, and of one.
        "Inbox with last messages and unread counts" => 50 * messages + history,
        "Unread of one chat for a user" => history,
        // And of those that are read the messages of the last second.
        "Badge of a user" => 8 * chats,
        "People by name or part of a number" | "Chats with a label" => chats,
        _ => 0,
    };
    COST_MAX + i64::from(more)
}

/// What is wrong with the pages of a query, in either direction: each row must be there once.
async fn lost(db: &DatabaseConnection, paged: &Paged, sql: &str) -> Vec<String> {
    let mut directions = vec![sql.to_owned()];
    if sql.contains("DESC") {
        directions.push(pages::backwards(sql));
    }
    let mut wrong = Vec::new();
    for sql in directions {
        let expected = pages::all_ids(db, &sql, paged).await;
        let told = pages::ids(db, &sql, paged).await;
        if expected.is_empty() || told != expected {
            let (told, expected) = (told.len(), expected.len());
            wrong.push(format!("{}: {told} rows by pages of {expected}\n{sql}", paged.title));
        }
    }
    wrong
}

pub async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
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
    let sql = of_session(app.db(), &query_of("Missed calls"), "default", "shop").await;
    let found = rows(app.db(), &sql).await;
    let missed: BTreeSet<String> =
        found.iter().map(|row| row.try_get("", "call_id").unwrap()).collect();
    let expected = ["given-up", "rang-out", "timed-out", "untold"].map(str::to_owned);
    assert_eq!(missed, BTreeSet::from(expected));
    let declined =
        rows(app.db(), &sql.replacen("NOT IN", "IN", 1).replace("'received'", "''")).await;
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
    let expected = [("12025550142@c.us", 1), ("12025550141@c.us", 1)];
    assert_eq!(inbox(&app, "12025550100@c.us").await, expected.map(as_text));
}

fn as_text((chat, unread): (&str, i64)) -> (String, i64) {
    (chat.to_owned(), unread)
}

/// Chats with what is unread for a reader.
async fn inbox(app: &TestApp, reader: &str) -> Vec<(String, i64)> {
    let sql = of_session(app.db(), &query_of(PAGED[0].title), "default", "shop").await;
    let found = rows(app.db(), &sql.replace("12025550100@c.us", reader)).await;
    let unread = |row: &QueryResult| {
        (row.try_get("", "chat_id").unwrap(), row.try_get("", "unread").unwrap())
    };
    found.iter().map(unread).collect()
}

/// Three chats: with five messages of others, with an answer after them, with one more after that.
async fn each_reader_has_an_inbox_and_a_badge(kind: Kind) {
    use crate::last_messages::message;
    let app = TestApp::start(kind).await;
    for (chat, written) in
        [("12025550141@c.us", "iiiii"), ("12025550142@c.us", "iio"), ("12025550143@c.us", "iioi")]
    {
        for (number, side) in (1..).zip(written.chars()) {
            let id = format!("3EB0{}{number}", &chat[8..11]);
            app.post_json(&message(chat, &id, side == 'o', number)).await;
        }
    }
    app.work_until_idle().await;
    let account = [("12025550141@c.us", 5), ("12025550143@c.us", 1), ("12025550142@c.us", 0)];
    let mut listed = inbox(&app, "12025550100@c.us").await;
    listed.sort_by_key(|(_, unread)| -unread);
    assert_eq!(listed, account.map(as_text));
    let chats = entity::waha_chats::Entity::find().all(app.db()).await.unwrap();
    let first = chats.iter().find(|it| it.chat_id == "12025550141@c.us").unwrap().id;
    assert_eq!(unread(&app, first).await, 5);
    assert_eq!(badge(&app).await, 2);
    for (read, left, badge_left) in [("3EB01413", 2, 2), ("3EB01415", 0, 1)] {
        let told = UserRead {
            chat_id: first,
            user_id: "7".to_owned(),
            up_to: ReadUpTo::Message(read.to_owned()),
            goes_back: false,
        };
        app.store.mark_read(&told, &SessionReach::default()).await.unwrap().unwrap();
        assert_eq!(unread(&app, first).await, left);
        assert_eq!(badge(&app).await, badge_left);
        let of_user = inbox(&app, "user:7").await;
        assert!(of_user.contains(&as_text(("12025550141@c.us", left))), "{of_user:?}");
    }
    assert!(inbox(&app, "user:8").await.contains(&as_text(("12025550141@c.us", 5))));
}

async fn unread(app: &TestApp, chat: i64) -> i64 {
    let sql = query_of("Unread of one chat for a user").sql.replace("77001", &chat.to_string());
    rows(app.db(), &sql).await[0].try_get("", "unread").unwrap()
}

async fn badge(app: &TestApp) -> i64 {
    let sql = of_session(app.db(), &query_of("Badge of a user"), "default", "shop").await;
    rows(app.db(), &sql).await[0].try_get("", "unread_chats").unwrap()
}

/// The statement for applications that write marks by SQL.
async fn a_mark_is_written_as_printed(kind: Kind) {
    use crate::last_messages::message;
    let app = TestApp::start(kind).await;
    for (number, id) in (1..).zip(["3EB0A1", "3EB0A2", "3EB0A3"]) {
        app.post_json(&message("12025550142@c.us", id, false, number)).await;
    }
    app.work_until_idle().await;
    let language = match app.db().get_database_backend() {
        DbBackend::MySql => "mysql",
        _ => "postgresql",
    };
    let sql = document::block(language);
    let messages = entity::waha_messages::Entity::find().all(app.db()).await.unwrap();
    for (told, expected) in [("3EB0A2", "3EB0A2"), ("3EB0A1", "3EB0A2"), ("3EB0A3", "3EB0A3")] {
        let row = messages.iter().find(|message| message.message_id == told).unwrap();
        let mark = sql.replace("4711", &row.id.to_string());
        app.db().execute_unprepared(&mark).await.unwrap_or_else(|error| panic!("{error}\n{mark}"));
        let mark = entity::chat_reads::Entity::find().one(app.db()).await.unwrap().unwrap();
        assert_eq!(mark.last_read_message_id.as_deref(), Some(expected));
        let told = messages.iter().find(|message| message.message_id == expected).unwrap();
        assert_eq!((mark.reader.as_str(), mark.last_read_at), ("user:7", told.sent_at));
    }
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

#[test]
fn every_kind_of_change_is_explained() {
    let explained = std::fs::read_to_string("entity/README.md").unwrap();
    let feed = explained.split("### `waha_changes`").nth(1).unwrap();
    let feed = feed.split("\n### ").next().unwrap();
    let names = ChangeKind::ALL.iter().map(|kind| kind.name());
    let silent: Vec<&str> = names.filter(|name| !feed.contains(&format!("`{name}`"))).collect();
    assert!(silent.is_empty(), "not explained: {silent:?}");
}

/// A column that messages get is one of the view, too, or said here not to be.
#[tokio::test]
async fn lists_show_every_column_of_messages_but_bookkeeping() {
    let bookkeeping = ["is_stub", "merged_into", "received_rank"];
    let versions = [
        "author_version",
        "media_version",
        "reply_version",
        "sender_name_version",
        "status_reason_version",
        "text_version",
    ];
    let app = TestApp::start(Kind::Sqlite).await;
    let columns = async |table| {
        let columns = crate::migrations_with_rows::columns(app.db(), table).await.into_iter();
        columns.map(|(column, _)| column).collect::<BTreeSet<String>>()
    };
    let hidden = bookkeeping.into_iter().chain(versions).map(str::to_owned).collect();
    let (all, shown) = (columns("waha_messages").await, columns("waha_visible_messages").await);
    assert_eq!(all.difference(&shown).cloned().collect::<BTreeSet<String>>(), hidden);
}
