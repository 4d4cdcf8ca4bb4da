//! `waha_participants` and `waha_join_requests`: one register per person and group.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::{cut, cut_option};
use crate::change::{JoinRequestChange, JoinRequestKey, ParticipantChange, ParticipantKey};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

const KEY: [&str; 2] = ["chat_id", "jid"];

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 6] = ["chat_id", "jid", "updated_at", "role", "is_member", "version"];
    Upsert::new(dialect, "waha_participants", &KEY, &COLUMNS)
        .register("version", &["role", "is_member"])
        .replace("updated_at")
}

pub(in crate::store) fn row(
    chat_id: i64,
    key: &ParticipantKey,
    change: &ParticipantChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![
        chat_id.into(),
        cut(&key.jid, 255),
        now.into(),
        change.value.name().into(),
        change.value.is_member().into(),
        change.version.get().into(),
    ]
}

pub(in crate::store) fn upsert_request(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 6] = ["chat_id", "jid", "updated_at", "state", "method", "version"];
    Upsert::new(dialect, "waha_join_requests", &KEY, &COLUMNS)
        .register("version", &["state", "method"])
        .replace("updated_at")
}

pub(in crate::store) fn request_row(
    chat_id: i64,
    key: &JoinRequestKey,
    change: &JoinRequestChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![
        chat_id.into(),
        cut(&key.0.jid, 255),
        now.into(),
        cut(&change.value.state, 16),
        cut_option(change.value.method.as_deref(), 32),
        change.version.get().into(),
    ]
}
