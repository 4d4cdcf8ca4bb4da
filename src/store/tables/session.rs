//! `waha_sessions`: status and identity are registers.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::{cut, cut_option};
use crate::change::{Identity, Register, SessionChange, SessionKey, SessionStatus};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

const TABLE: &str = "waha_sessions";
const KEY: [&str; 2] = ["source", "name"];
const COLUMNS: [&str; 19] = [
    "source",
    "name",
    "updated_at",
    "status",
    "status_at",
    "status_version",
    "engine",
    "waha_version",
    "me_id",
    "me_lid",
    "me_jid",
    "push_name",
    "metadata",
    "user_id",
    "identity_version",
    "reachout_timelock",
    "reachout_timelock_version",
    "message_capping",
    "message_capping_version",
];

/// Makes rows that are not there.
pub(in crate::store) fn make(dialect: Dialect) -> Upsert {
    Upsert::new(dialect, TABLE, &KEY, &COLUMNS)
}

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    make(dialect)
        .register("status_version", &["status", "status_at"])
        .register(
            "identity_version",
            &[
                "engine",
                "waha_version",
                "me_id",
                "me_lid",
                "me_jid",
                "push_name",
                "metadata",
                "user_id",
            ],
        )
        .register("reachout_timelock_version", &["reachout_timelock"])
        .register("message_capping_version", &["message_capping"])
        .replace("updated_at")
}

pub(in crate::store) fn row(
    key: &SessionKey,
    change: &SessionChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let mut row = vec![cut(&key.source, 64), cut(&key.name, 128), now.into()];
    row.extend(status(change.status.as_ref()));
    row.extend(identity(change.identity.as_ref()));
    row.extend(limit(change.reachout_timelock.as_ref()));
    row.extend(limit(change.message_capping.as_ref()));
    row
}

fn limit(register: Option<&Register<String>>) -> [Value; 2] {
    [
        register.map(|register| register.value.clone()).into(),
        register.map_or(0, |register| register.version.get()).into(),
    ]
}

fn status(register: Option<&Register<SessionStatus>>) -> [Value; 3] {
    let status = register.map(|register| &register.value);
    [
        cut_option(status.map(|status| status.status.as_str()), 32),
        status.and_then(|status| status.at).into(),
        register.map_or(0, |register| register.version.get()).into(),
    ]
}

fn identity(register: Option<&Register<Identity>>) -> [Value; 9] {
    let none = Identity::default();
    let identity = register.map_or(&none, |register| &register.value);
    [
        cut_option(identity.engine.as_deref(), 16),
        cut_option(identity.waha_version.as_deref(), 32),
        cut_option(identity.me_id.as_deref(), 255),
        cut_option(identity.me_lid.as_deref(), 255),
        cut_option(identity.me_jid.as_deref(), 255),
        identity.push_name.clone().into(),
        identity.metadata.clone().into(),
        cut_option(identity.user_id.as_deref(), 255),
        register.map_or(0, |register| register.version.get()).into(),
    ]
}
