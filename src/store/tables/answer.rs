//! `waha_reactions`, `waha_poll_votes`, `waha_event_responses`: the newest answer of a person stays.
//! `waha_message_acks`: only forward.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::{cut, cut_option};
use crate::change::{
    AnswerKey, EventResponseChange, MemberAckChange, MessageStatus, ReactionChange, VoteChange,
};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) fn reactions(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 8] = [
        "chat_id",
        "message_id",
        "reactor",
        "updated_at",
        "reactor_jid",
        "text",
        "reacted_at",
        "reaction_version",
    ];
    Upsert::new(dialect, "waha_reactions", &["chat_id", "message_id", "reactor"], &COLUMNS)
        .register("reaction_version", &["reactor_jid", "text", "reacted_at"])
        .replace("updated_at")
}

pub(in crate::store) fn reaction(
    chat_id: i64,
    key: &AnswerKey,
    change: &ReactionChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let reaction = &change.value;
    let mut row = start(chat_id, key, now);
    row.extend([
        cut_option(reaction.jid.as_deref(), 255),
        reaction.text.clone().into(),
        reaction.at.into(),
        change.version.get().into(),
    ]);
    row
}

pub(in crate::store) fn votes(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 8] = [
        "chat_id",
        "message_id",
        "voter",
        "updated_at",
        "voter_jid",
        "selected",
        "voted_at",
        "vote_version",
    ];
    Upsert::new(dialect, "waha_poll_votes", &["chat_id", "message_id", "voter"], &COLUMNS)
        .register("vote_version", &["voter_jid", "selected", "voted_at"])
        .replace("updated_at")
}

pub(in crate::store) fn vote(
    chat_id: i64,
    key: &AnswerKey,
    change: &VoteChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let vote = &change.value;
    let selected = vote.selected.clone().map(|names| serde_json::Value::from(names).to_string());
    let mut row = start(chat_id, key, now);
    row.extend([
        cut_option(vote.jid.as_deref(), 255),
        selected.into(),
        vote.at.into(),
        change.version.get().into(),
    ]);
    row
}

pub(in crate::store) fn event_responses(dialect: Dialect) -> Upsert {
    const TABLE: &str = "waha_event_responses";
    const COLUMNS: [&str; 9] = [
        "chat_id",
        "message_id",
        "responder",
        "updated_at",
        "responder_jid",
        "response",
        "extra_guests",
        "responded_at",
        "response_version",
    ];
    let told = ["responder_jid", "response", "extra_guests", "responded_at"];
    Upsert::new(dialect, TABLE, &["chat_id", "message_id", "responder"], &COLUMNS)
        .register("response_version", &told)
        .replace("updated_at")
}

pub(in crate::store) fn event_response(
    chat_id: i64,
    key: &AnswerKey,
    change: &EventResponseChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let response = &change.value;
    let mut row = start(chat_id, key, now);
    row.extend([
        cut_option(response.jid.as_deref(), 255),
        cut_option(response.response.as_deref(), 32),
        response.extra_guests.into(),
        response.at.into(),
        change.version.get().into(),
    ]);
    row
}

pub(in crate::store) fn member_acks(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 10] = [
        "chat_id",
        "message_id",
        "participant",
        "updated_at",
        "status",
        "ack",
        "status_rank",
        "delivered_at",
        "read_at",
        "played_at",
    ];
    Upsert::new(dialect, "waha_message_acks", &["chat_id", "message_id", "participant"], &COLUMNS)
        .register("status_rank", &["status", "ack"])
        .earliest("delivered_at")
        .earliest("read_at")
        .earliest("played_at")
        .replace("updated_at")
}

pub(in crate::store) fn member_ack(
    chat_id: i64,
    key: &AnswerKey,
    change: &MemberAckChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let mut row = start(chat_id, key, now);
    row.extend([
        cut_option(change.status.map(MessageStatus::name), 16),
        change.status.map(MessageStatus::ack).into(),
        change.status.map_or(-1, MessageStatus::rank).into(),
        change.delivered_at.into(),
        change.read_at.into(),
        change.played_at.into(),
    ]);
    row
}

fn start(chat_id: i64, key: &AnswerKey, now: DateTime<Utc>) -> Vec<Value> {
    vec![chat_id.into(), cut(&key.message.message_id, 255), cut(&key.author, 255), now.into()]
}
