//! All rows of the tables as text, for comparing two databases: ids become what they stand for, and
//! bookkeeping (ids, receipts, times of writing) is left out. New columns are compared by themselves.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryResult, Statement,
};
use waha_ingest::body_codec::{BodyCodec, Dictionaries, PackedBody, unpack};

/// Every table whose rows depend on the webhooks alone, parents first.
pub const TABLES: [(&str, &[&str]); 22] = [
    ("waha_sessions", &["source", "name"]),
    ("waha_chats", &["session_id", "chat_id"]),
    ("waha_messages", &[]),
    ("waha_own_messages", &[]),
    ("waha_message_edits", &[]),
    ("waha_message_revocations", &[]),
    ("waha_message_referrals", &[]),
    ("waha_message_claims", &[]),
    ("waha_message_acks", &[]),
    ("waha_reactions", &[]),
    ("waha_poll_votes", &[]),
    ("waha_event_responses", &[]),
    ("waha_calls", &[]),
    ("chat_reads", &[]),
    ("user_waha", &[]),
    ("waha_session_statuses", &[]),
    ("waha_contacts", &[]),
    ("waha_participants", &[]),
    ("waha_join_requests", &[]),
    ("waha_labels", &[]),
    ("waha_chat_labels", &[]),
    ("webhook_events", &[]),
];
/// What depends on when and how often something was delivered.
const BOOKKEEPING: [&str; 8] = [
    "id",
    "created_at",
    "updated_at",
    "stored_at",
    "received_at",
    "processed_at",
    "receipt",
    "attempts",
];

/// Rows by table, sorted.
pub type Rows = BTreeMap<String, Vec<String>>;

/// All rows.
pub async fn rows(db: &DatabaseConnection) -> Rows {
    let mut names: BTreeMap<(String, i64), String> = BTreeMap::new();
    let mut all = Rows::new();
    let packed = packed_bodies(db).await;
    for (table, key) in TABLES {
        let mut texts = Vec::new();
        let found = select(db, table).await;
        // Names first: rows of a table may point to one another.
        for row in found.iter().filter(|_| !key.is_empty()) {
            let fields = fields(row, table, &names);
            let id: i64 = row.try_get("", "id").unwrap();
            let name = key.iter().map(|column| fields[*column].clone()).collect::<Vec<_>>();
            names.insert((table.to_owned(), id), name.join("/"));
        }
        for row in &found {
            let mut fields = fields(row, table, &names);
            if table == "webhook_events"
                && let Some(body) = packed.get(&row.try_get::<i64>("", "id").unwrap())
            {
                assert_eq!(fields.insert("body".to_owned(), body.clone()).unwrap(), "-");
            }
            texts.push(text(&fields));
        }
        texts.sort_unstable();
        all.insert(table.to_owned(), texts);
    }
    all
}

/// Bodies that are packed, by the number of their ledger row.
async fn packed_bodies(db: &DatabaseConnection) -> BTreeMap<i64, String> {
    let dictionaries = Dictionaries::default();
    let rows = entity::webhook_bodies::Entity::find().all(db).await.unwrap();
    let body = |row: entity::webhook_bodies::Model| {
        let packed = PackedBody {
            codec: BodyCodec::of(&row.codec).unwrap(),
            dictionary_id: row.dictionary_id,
            body_bytes: usize::try_from(row.body_bytes).unwrap(),
            bytes: row.body.into(),
        };
        let body = unpack(&packed, &dictionaries).unwrap();
        (row.webhook_event_id, String::from_utf8_lossy(&body).into_owned())
    };
    rows.into_iter().map(body).collect()
}

/// Leaves out the ledger: which of two conflicting tellings it names depends on which came first.
pub fn without_ledger(mut rows: Rows) -> Rows {
    rows.remove("webhook_events");
    rows
}

/// Panics with the first differing row of each table.
pub fn assert_equal(expected: &Rows, actual: &Rows) {
    for (table, expected) in expected {
        let actual = &actual[table];
        let missing = expected.iter().find(|row| !actual.contains(row));
        let extra = actual.iter().find(|row| !expected.contains(row));
        assert!(
            expected == actual,
            "{table} differs ({} and {} rows)\nexpected: {missing:?}\nactual:   {extra:?}",
            expected.len(),
            actual.len()
        );
    }
}

async fn select(db: &DatabaseConnection, table: &str) -> Vec<QueryResult> {
    // Which messages gave way to others depends on the order.
    let which = if table == "waha_messages" { "WHERE merged_into IS NULL" } else { "" };
    let sql = format!("SELECT * FROM {table} {which} ORDER BY id");
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap()
}

fn text(fields: &BTreeMap<String, String>) -> String {
    let kept = fields.iter().filter(|(name, _)| !BOOKKEEPING.contains(&name.as_str()));
    kept.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn fields(
    row: &QueryResult,
    table: &str,
    names: &BTreeMap<(String, i64), String>,
) -> BTreeMap<String, String> {
    let stands_for = |parent: &str, id: i64| names.get(&(parent.to_owned(), id)).cloned();
    let mut fields = BTreeMap::new();
    for column in row.column_names() {
        let value = value(row, &column);
        let id = value.parse::<i64>();
        let value = match (column.as_str(), id) {
            ("session_id", Ok(id)) => stands_for("waha_sessions", id).unwrap_or(value),
            ("chat_id", Ok(id)) if table != "waha_chats" => {
                stands_for("waha_chats", id).unwrap_or(value)
            }
            ("merged_into", Ok(id)) => stands_for("waha_chats", id).unwrap_or(value),
            _ => value,
        };
        fields.insert(column, value);
    }
    fields
}

/// A value of whatever type the column has.
pub fn value(row: &QueryResult, column: &str) -> String {
    macro_rules! attempt {
        ($($kind:ty),+) => {$(
            if let Ok(value) = row.try_get::<Option<$kind>>("", column) {
                return value.map_or("-".to_owned(), |value| format!("{value:?}"));
            }
        )+};
    }
    // Numbers first: SQLite's driver can't read a number again after it was tried as a time.
    attempt!(i64, i32, i16, f64);
    if let Ok(flag) = row.try_get::<Option<bool>>("", column) {
        return flag.map_or("-".to_owned(), |flag| i32::from(flag).to_string());
    }
    attempt!(DateTime<Utc>);
    if let Ok(text) = row.try_get::<Option<String>>("", column) {
        return text.unwrap_or_else(|| "-".to_owned());
    }
    let bytes = row.try_get::<Option<Vec<u8>>>("", column).unwrap();
    bytes.map_or("-".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The number of rows of a table.
pub async fn count(db: &DatabaseConnection, table: &str) -> i64 {
    let cast = match db.get_database_backend() {
        DbBackend::MySql => "SIGNED",
        _ => "BIGINT",
    };
    let sql = format!("SELECT CAST(COUNT(*) AS {cast}) AS n FROM {table}");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}
