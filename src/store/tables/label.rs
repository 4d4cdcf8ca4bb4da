//! `waha_labels` and `waha_chat_labels`.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::{cut, cut_option};
use crate::change::{ChatLabelChange, ChatLabelKey, LabelChange, LabelKey};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 9] = [
        "session_id",
        "label_id",
        "updated_at",
        "name",
        "color",
        "color_hex",
        "look_version",
        "deleted",
        "deleted_version",
    ];
    Upsert::new(dialect, "waha_labels", &["session_id", "label_id"], &COLUMNS)
        .register("look_version", &["name", "color", "color_hex"])
        .register("deleted_version", &["deleted"])
        .replace("updated_at")
}

pub(in crate::store) fn row(
    session_id: i64,
    key: &LabelKey,
    change: &LabelChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let look = change.look.as_ref().map(|look| &look.value);
    vec![
        session_id.into(),
        cut(&key.label_id, 255),
        now.into(),
        look.and_then(|look| look.name.clone()).into(),
        look.and_then(|look| look.color).into(),
        cut_option(look.and_then(|look| look.color_hex.as_deref()), 32),
        change.look.as_ref().map_or(0, |look| look.version.get()).into(),
        change.deleted.as_ref().map(|deleted| deleted.value).into(),
        change.deleted.as_ref().map_or(0, |deleted| deleted.version.get()).into(),
    ]
}

pub(in crate::store) fn upsert_on_chat(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 5] = ["chat_id", "label_id", "updated_at", "is_set", "version"];
    Upsert::new(dialect, "waha_chat_labels", &["chat_id", "label_id"], &COLUMNS)
        .register("version", &["is_set"])
        .replace("updated_at")
}

pub(in crate::store) fn on_chat_row(
    chat_id: i64,
    key: &ChatLabelKey,
    change: &ChatLabelChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![
        chat_id.into(),
        cut(&key.label_id, 255),
        now.into(),
        change.value.into(),
        change.version.get().into(),
    ]
}
