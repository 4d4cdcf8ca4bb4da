//! `waha_chats`: name, description and archived are registers, the last message only moves forward.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::contact::EmptyValue;
use super::cut;
use crate::change::{ChatChange, ChatKey};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;
use crate::waha::jid::ChatKind;

pub(in crate::store) const TABLE: &str = "waha_chats";

const KEY: [&str; 2] = ["session_id", "chat_id"];
const POINTER: [&str; 5] = ["session_id", "chat_id", "updated_at", "kind", "merged_into"];
const COLUMNS: [&str; 11] = [
    "session_id",
    "chat_id",
    "updated_at",
    "kind",
    "name",
    "name_version",
    "description",
    "description_version",
    "archived",
    "archived_version",
    "last_message_at",
];

/// What moves to the row of the conversation when this one turns out to be another name of it.
pub(in crate::store) const EMPTIED: [(&str, EmptyValue); 7] = [
    ("name", EmptyValue::Null),
    ("name_version", EmptyValue::Zero),
    ("description", EmptyValue::Null),
    ("description_version", EmptyValue::Zero),
    ("archived", EmptyValue::Null),
    ("archived_version", EmptyValue::Zero),
    ("last_message_at", EmptyValue::Null),
];

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    make(dialect)
        .register("name_version", &["name"])
        .register("description_version", &["description"])
        .register("archived_version", &["archived"])
        .latest("last_message_at")
        .replace("updated_at")
}

pub(in crate::store) fn row(
    session_id: i64,
    key: &ChatKey,
    change: &ChatChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![
        session_id.into(),
        cut(&key.chat_id, 255),
        now.into(),
        ChatKind::of(&key.chat_id).name().into(),
        change.name.as_ref().map(|name| name.value.clone()).into(),
        change.name.as_ref().map_or(0, |name| name.version.get()).into(),
        change.description.as_ref().and_then(|description| description.value.clone()).into(),
        change.description.as_ref().map_or(0, |description| description.version.get()).into(),
        change.archived.as_ref().map(|archived| archived.value).into(),
        change.archived.as_ref().map_or(0, |archived| archived.version.get()).into(),
        change.last_message_at.into(),
    ]
}

/// Makes rows that are not there.
pub(in crate::store) fn make(dialect: Dialect) -> Upsert {
    Upsert::new(dialect, TABLE, &KEY, &COLUMNS)
}

/// Points rows that are there to the rows of their conversations.
pub(in crate::store) fn upsert_pointers(dialect: Dialect) -> Upsert {
    Upsert::new(dialect, TABLE, &KEY, &POINTER).replace("merged_into")
}

pub(in crate::store) fn pointer(
    session_id: i64,
    key: &ChatKey,
    conversation: i64,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let kind = ChatKind::of(&key.chat_id).name();
    vec![session_id.into(), cut(&key.chat_id, 255), now.into(), kind.into(), conversation.into()]
}
