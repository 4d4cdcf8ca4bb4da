//! No column and no table is forgotten.

use std::collections::BTreeSet;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::*;
use crate::store::sql::dialect::Dialect;

/// A table and one of its columns.
type TableColumn = (String, String);

#[test]
fn a_column_has_a_rule_or_stays_on_purpose() {
    let dialect = Dialect::Sqlite;
    let merging = dialect.into();
    let none: [&str; 0] = [];
    assert_eq!(answer::reactions(merging).without_rule(), none);
    assert_eq!(answer::votes(merging).without_rule(), none);
    assert_eq!(answer::event_responses(merging).without_rule(), none);
    assert_eq!(answer::member_acks(merging).without_rule(), none);
    assert_eq!(call::upsert(merging).without_rule(), none);
    assert_eq!(chat::upsert(merging).without_rule(), ["kind"]);
    assert_eq!(claim::upsert(dialect).without_rule(), none);
    assert_eq!(contact::upsert(dialect).without_rule(), ["phone", "lid"]);
    assert_eq!(edit::edits(merging).without_rule(), none);
    assert_eq!(edit::revocations(merging).without_rule(), none);
    assert_eq!(label::upsert(merging).without_rule(), none);
    assert_eq!(label::upsert_on_chat(merging).without_rule(), none);
    // What edits make of it is derived after it.
    assert_eq!(message::upsert(merging).without_rule(), ["edited_version"]);
    assert_eq!(message::shown(dialect).without_rule(), none);
    assert_eq!(own_message::replace(dialect).without_rule(), none);
    assert_eq!(participant::upsert(merging).without_rule(), none);
    assert_eq!(participant::upsert_request(merging).without_rule(), none);
    assert_eq!(read::upsert(merging).without_rule(), none);
    assert_eq!(referral::upsert(merging).without_rule(), none);
    assert_eq!(session::upsert(merging).without_rule(), none);
    assert_eq!(status::upsert(dialect).without_rule(), ["updated_at"]);
}

/// What moves when two ids turn out to be one person, beside what is in the lists: messages and claims are
/// told again, groups have no other name, chats that point to a chat point to the one it points to, and a move tells
/// of the chat that is left.
#[tokio::test]
async fn a_table_with_a_chat_or_a_person_moves_with_it() {
    let db = migrated().await;
    let chats = "SELECT m.name AS a, f.\"from\" AS b FROM sqlite_master m, \
                 pragma_foreign_key_list(m.name) f WHERE f.\"table\" = 'waha_chats'";
    let otherwise = [
        ("waha_messages", "chat_id"),
        ("waha_message_claims", "chat_id"),
        ("waha_participants", "chat_id"),
        ("waha_join_requests", "chat_id"),
        ("waha_chats", "merged_into"),
        ("waha_chat_moves", "chat_id"),
    ];
    assert_eq!(pairs(&db, chats).await, listed(&BY_CHAT, &otherwise));
    let people = "SELECT DISTINCT m.name AS a, i.name AS b FROM sqlite_master m, \
                  pragma_index_list(m.name) l, pragma_index_info(l.name) i, \
                  pragma_foreign_key_list(m.name) f \
                  WHERE l.\"unique\" = 1 AND f.\"table\" = 'waha_chats' AND i.name NOT IN \
                  ('id', 'session_id', 'chat_id', 'message_id', 'call_id', 'edit_id', 'label_id')";
    assert_eq!(pairs(&db, people).await, listed(&BY_PERSON, &[("waha_message_claims", "author")]));
}

fn listed(tables: &[keyed::KeyedTable], otherwise: &[(&str, &str)]) -> BTreeSet<TableColumn> {
    let moved = tables.iter().map(|it| ((it.rules)(Dialect::Sqlite).table, it.column));
    let all = moved.chain(otherwise.iter().copied());
    all.map(|(table, column)| (table.to_owned(), column.to_owned())).collect()
}

async fn migrated() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1);
    let db = Database::connect(options).await.expect("a database");
    migration::up(&db).await.expect("tables");
    db
}

async fn pairs(db: &DatabaseConnection, select: &str) -> BTreeSet<TableColumn> {
    let statement = Statement::from_string(db.get_database_backend(), select);
    let rows = db.query_all_raw(statement).await.expect("rows");
    let read = |row: &sea_orm::QueryResult| {
        (row.try_get("", "a").expect("a table"), row.try_get("", "b").expect("a column"))
    };
    rows.iter().map(read).collect()
}
