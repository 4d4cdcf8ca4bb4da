//! `chat_reads`: how far somebody has read a chat, ordered by the time of reading.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::cut;
use crate::change::{ReadChange, ReadKey};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

const COLUMNS: [&str; 6] =
    ["chat_id", "reader", "updated_at", "last_read_message_id", "last_read_at", "read_version"];

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    Upsert::new(dialect, "chat_reads", &["chat_id", "reader"], &COLUMNS)
        .register("read_version", &["last_read_message_id", "last_read_at"])
        .replace("updated_at")
}

pub(in crate::store) fn row(
    chat_id: i64,
    key: &ReadKey,
    change: &ReadChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![
        chat_id.into(),
        cut(&key.reader, 255),
        now.into(),
        cut(&change.value.message_id, 255),
        change.value.at.into(),
        change.version.get().into(),
    ]
}
