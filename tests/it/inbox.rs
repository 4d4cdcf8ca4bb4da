//! What an inbox shows of each fixture: chats with what is unread, and what a person reads in them, as one
//! text. Unread is what the documented query says.
//!
//! `INSTA_UPDATE=always cargo test an_inbox` writes it anew; read what changed before you commit it.

use std::fmt::Write;
use std::path::Path;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement};
use waha_ingest::queue::Queue;

use crate::app::TestApp;
use crate::database::Kind;
use crate::queries::document::{of_session, queries};
use crate::stored_rows::{fixtures, webhook};

#[tokio::test]
async fn an_inbox_shows_of_each_fixture_what_a_person_expects() {
    let app = TestApp::start(Kind::Sqlite).await;
    let fixtures = fixtures();
    let publishing = fixtures.iter().map(|(name, body)| app.queue.publish(webhook(name, body)));
    join_all(publishing).await.into_iter().for_each(|published| published.unwrap());
    app.work_until_idle().await;
    let mut text = String::new();
    for name in fixtures.keys() {
        writeln!(text, "{name}").unwrap();
        for session in sessions(app.db(), name).await {
            text.push_str(&inbox(app.db(), name, &session).await);
        }
    }
    insta::with_settings!({
        snapshot_path => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("inbox", text);
    });
}

async fn sessions(db: &DatabaseConnection, source: &str) -> Vec<String> {
    let sql = format!("SELECT name FROM waha_sessions WHERE source = '{source}' ORDER BY name");
    rows(db, &sql).await.iter().map(|row| row.try_get("", "name").unwrap()).collect()
}

/// Chats with something in them, the inbox's first.
async fn inbox(db: &DatabaseConnection, source: &str, session: &str) -> String {
    let query = queries().into_iter().find(|it| it.title.starts_with("Inbox")).unwrap();
    let query = of_session(db, &query, source, session).await;
    let mut text = String::new();
    let mut listed = vec![0];
    for chat in rows(db, &query).await {
        let (id, name): (i64, Option<String>) = (get(&chat, "id"), get(&chat, "name"));
        let (chat_id, unread): (String, i64) = (get(&chat, "chat_id"), get(&chat, "unread"));
        let name = name.map_or_else(String::new, |name| format!(" ({name})"));
        writeln!(text, "  {chat_id}{name}: {unread} unread").unwrap();
        text.push_str(&history(db, &format!("m.chat_id = {id}")).await);
        listed.push(id);
    }
    let listed = listed.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let others = format!(
        "m.chat_id NOT IN ({listed}) AND m.session_id IN (SELECT id FROM waha_sessions \
         WHERE source = '{source}' AND name = '{session}')"
    );
    let others = history(db, &others).await;
    if !others.is_empty() {
        writeln!(text, "  not in the inbox:").unwrap();
        text.push_str(&others);
    }
    text
}

/// What a person reads, line by line: `>` the account, `<` somebody else, `*` a notice.
async fn history(db: &DatabaseConnection, which: &str) -> String {
    let sql = format!(
        "SELECT m.* FROM waha_messages m WHERE m.is_stub = FALSE AND {which} ORDER BY m.message_id"
    );
    let rows = rows(db, &sql).await;
    rows.iter().map(line).collect()
}

fn line(row: &QueryResult) -> String {
    let mark = match (get(row, "is_notice"), get(row, "from_me")) {
        (true, _) => "*",
        (false, Some(true)) => ">",
        (false, Some(false) | None) => "<",
    };
    let kind: Option<String> = get(row, "type");
    let content: Option<String> = get(row, "content");
    let content = content.map_or_else(String::new, |text| format!(" {text:?}"));
    let file = if get::<Option<bool>>(row, "has_media") == Some(true) { ", a file" } else { "" };
    let details: Option<String> = get(row, "details");
    let details = details.map_or_else(String::new, |details| format!(" {details}"));
    format!("    {mark} {}{file}{content}{details}\n", kind.unwrap_or_default())
}

fn get<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> T {
    row.try_get("", column).unwrap()
}

async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_all_raw(statement).await.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}
