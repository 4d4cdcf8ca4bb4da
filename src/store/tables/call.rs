//! `waha_calls`: the state only moves forward, the rest are registers and earliest times.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::{cut, cut_option};
use crate::change::{CallChange, CallDetails, CallKey, CallState, Register};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

const COLUMNS: [&str; 18] = [
    "session_id",
    "call_id",
    "updated_at",
    "type",
    "state_rank",
    "chat_id",
    "from_jid",
    "to_jid",
    "group_jid",
    "is_group",
    "details_version",
    "is_video",
    "is_video_version",
    "received_at",
    "accepted_at",
    "rejected_at",
    "rejected_reason",
    "rejected_reason_version",
];

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    Upsert::new(dialect, "waha_calls", &["session_id", "call_id"], &COLUMNS)
        .register("state_rank", &["type"])
        .register("details_version", &["chat_id", "from_jid", "to_jid", "group_jid", "is_group"])
        .register("is_video_version", &["is_video"])
        .earliest("received_at")
        .earliest("accepted_at")
        .earliest("rejected_at")
        .register("rejected_reason_version", &["rejected_reason"])
        .replace("updated_at")
}

pub(in crate::store) fn row(
    session_id: i64,
    chat_id: Option<i64>,
    key: &CallKey,
    change: &CallChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let mut row = vec![
        session_id.into(),
        cut(&key.call_id, 255),
        now.into(),
        cut_option(change.state.map(CallState::name), 16),
        change.state.map_or(-1, CallState::rank).into(),
        chat_id.into(),
    ];
    row.extend(details(change.details.as_ref()));
    row.push(change.is_video.as_ref().map(|video| video.value).into());
    row.push(change.is_video.as_ref().map_or(0, |video| video.version.get()).into());
    row.extend([change.received_at.into(), change.accepted_at.into(), change.rejected_at.into()]);
    let reason = change.rejected_reason.as_ref();
    row.push(cut_option(reason.map(|reason| reason.value.as_str()), 64));
    row.push(reason.map_or(0, |reason| reason.version.get()).into());
    row
}

fn details(register: Option<&Register<CallDetails>>) -> [Value; 5] {
    let details = register.map(|register| &register.value);
    [
        cut_option(details.and_then(|details| details.from.as_deref()), 255),
        cut_option(details.and_then(|details| details.to.as_deref()), 255),
        cut_option(details.and_then(|details| details.group.as_deref()), 255),
        details.map(|details| details.is_group).into(),
        register.map_or(0, |register| register.version.get()).into(),
    ]
}
