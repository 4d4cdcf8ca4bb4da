//! `waha_chats`: the name is a register, the last message only moves forward.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::cut;
use crate::change::{ChatChange, ChatKey};
use crate::store::dialect::Dialect;
use crate::store::upsert::Upsert;
use crate::waha::jid::ChatKind;

const COLUMNS: [&str; 7] =
    ["session_id", "chat_id", "updated_at", "kind", "name", "name_version", "last_message_at"];

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    Upsert::new(dialect, "waha_chats", &["session_id", "chat_id"], &COLUMNS)
        .register("name_version", &["name"])
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
        change.last_message_at.into(),
    ]
}
