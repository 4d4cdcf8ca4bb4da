//! `waha_message_edits`: all of them, whoever made them. `waha_message_revocations`: the earliest of
//! each person.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::cut;
use crate::change::{EditChange, EditKey, Revocation, RevocationKey};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const EDITS: &str = "waha_message_edits";
pub(in crate::store) const REVOCATIONS: &str = "waha_message_revocations";

pub(in crate::store) fn edits(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 8] = [
        "chat_id",
        "message_id",
        "author",
        "edit_id",
        "updated_at",
        "content",
        "edited_at",
        "edit_version",
    ];
    Upsert::new(dialect, EDITS, &["chat_id", "message_id", "author", "edit_id"], &COLUMNS)
        .register("edit_version", &["content", "edited_at"])
        .replace("updated_at")
}

pub(in crate::store) fn edit(
    chat_id: i64,
    key: &EditKey,
    change: &EditChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![
        chat_id.into(),
        cut(&key.message.message_id, 255),
        cut(&key.author, 255),
        cut(&key.edit_id, 255),
        now.into(),
        change.value.text.clone().into(),
        change.value.at.into(),
        change.version.get().into(),
    ]
}

pub(in crate::store) fn revocations(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 8] = [
        "chat_id",
        "message_id",
        "author",
        "updated_at",
        "revoked_by",
        "revoked_at",
        "is_verified",
        "revocation_version",
    ];
    let upsert = Upsert::new(dialect, REVOCATIONS, &["chat_id", "message_id", "author"], &COLUMNS);
    let (new, old) =
        (upsert.new_value("revocation_version"), upsert.old_value("revocation_version"));
    let is_verified = upsert.new_value("is_verified");
    let earlier = format!("{new} < {old}");
    upsert
        .when(&earlier, &["revoked_by", "revoked_at"])
        .when(&earlier, &["revocation_version"])
        .when(&is_verified, &["is_verified"])
        .replace("updated_at")
}

pub(in crate::store) fn revocation(
    chat_id: i64,
    key: &RevocationKey,
    revocation: &Revocation,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![
        chat_id.into(),
        cut(&key.message.message_id, 255),
        cut(&key.author, 255),
        now.into(),
        cut(&revocation.by, 255),
        revocation.at.into(),
        revocation.is_verified.into(),
        revocation.version.get().into(),
    ]
}
