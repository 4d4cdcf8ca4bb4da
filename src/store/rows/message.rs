//! `waha_messages`: content and file are registers of the author who owns the row; the status only
//! moves forward.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::{cut, cut_option};
use crate::change::{
    Content, Media, MessageChange, MessageKey, MessageStatus, Origin, Register, Told,
};
use crate::store::dialect::Dialect;
use crate::store::upsert::Upsert;

const TABLE: &str = "waha_messages";
const KEY: [&str; 3] = ["session_id", "chat_id", "message_id"];

const COLUMNS: [&str; 31] = [
    "session_id",
    "chat_id",
    "message_id",
    "updated_at",
    "is_stub",
    "author",
    "author_version",
    "waha_id",
    "from_me",
    "sender",
    "sender_name",
    "type",
    "content",
    "details",
    "reply_to",
    "reply_to_sender",
    "reply_to_content",
    "is_forwarded",
    "has_media",
    "origin",
    "sent_at",
    "content_version",
    "media_url",
    "media_mime_type",
    "media_file_name",
    "media_error",
    "media_version",
    "status",
    "ack",
    "status_rank",
    "edited_version",
];
const CONTENT: [&str; 14] = [
    "waha_id",
    "from_me",
    "sender",
    "sender_name",
    "type",
    "content",
    "details",
    "reply_to",
    "reply_to_sender",
    "reply_to_content",
    "is_forwarded",
    "has_media",
    "origin",
    "sent_at",
];
const MEDIA: [&str; 4] = ["media_url", "media_mime_type", "media_file_name", "media_error"];

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    let upsert = Upsert::new(dialect, TABLE, &KEY, &COLUMNS);
    let rule = OwnerRule::of(&upsert);
    let (content, media) = (rule.register("content_version"), rule.register("media_version"));
    upsert
        .when(&content, &CONTENT)
        .when(&content, &["content_version"])
        .when(&media, &MEDIA)
        .when(&media, &["media_version"])
        .when(&rule.told, &["is_stub"])
        // Author and its version decide above, so they change last.
        .when(&rule.lower, &["author_version", "author"])
        .register("status_rank", &["status", "ack"])
        .replace("updated_at")
}

/// Whose telling counts: the author with the lowest version owns the row. A takeover replaces what
/// another author told; the same author's tellings merge by their versions.
struct OwnerRule {
    told: String,
    lower: String,
    same: String,
    takeover: String,
    newer: Box<dyn Fn(&str) -> String>,
}

impl OwnerRule {
    fn of(upsert: &Upsert) -> Self {
        let (new, old) = (upsert.new_value("author"), upsert.old_value("author"));
        let (new_first, old_first) =
            (upsert.new_value("author_version"), upsert.old_value("author_version"));
        let told = format!("{new} IS NOT NULL");
        let same = format!("({told} AND ({old} IS NULL OR {old} = {new}))");
        let is_lower =
            format!("({new_first} < {old_first} OR ({new_first} = {old_first} AND {new} < {old}))");
        let takeover = format!("({told} AND {old} IS NOT NULL AND {old} <> {new} AND {is_lower})");
        let lower = format!("({told} AND ({old} IS NULL OR {is_lower}))");
        let table_of = (upsert.new_value("{}"), upsert.old_value("{}"));
        let newer = move |version: &str| {
            let (new, old) = (table_of.0.replace("{}", version), table_of.1.replace("{}", version));
            format!("{new} > {old}")
        };
        Self { told, lower, same, takeover, newer: Box::new(newer) }
    }

    fn register(&self, version: &str) -> String {
        let newer = (self.newer)(version);
        format!("{} OR ({} AND {newer})", self.takeover, self.same)
    }
}

pub(in crate::store) fn row(
    session_id: i64,
    chat_id: i64,
    key: &MessageKey,
    change: &MessageChange,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let (author, told) = change.owner().unzip();
    let mut row = vec![session_id.into(), chat_id.into(), cut(&key.message_id, 255), now.into()];
    row.push(told.is_none().into());
    row.push(cut_option(author, 255));
    row.push(told.map_or(0, |told| told.first.get()).into());
    row.extend(content(told.map(|told| &told.content)));
    row.extend(media(told.and_then(|told: &Told| told.media.as_ref())));
    row.extend(status(change));
    row.push(0_i64.into());
    row
}

fn content(register: Option<&Register<Content>>) -> [Value; 15] {
    let content = register.map(|register| &register.value);
    let reply = content.and_then(|content| content.reply.as_ref());
    [
        cut_option(content.map(|content| content.waha_id.as_str()), 512),
        content.map(|content| content.from_me).into(),
        cut_option(content.and_then(|content| content.sender.as_deref()), 255),
        content.and_then(|content| content.sender_name.clone()).into(),
        cut_option(content.map(|content| content.kind), 32),
        content.and_then(|content| content.text.clone()).into(),
        content.and_then(|content| content.details.clone()).into(),
        cut_option(reply.map(|reply| reply.message_id.as_str()), 255),
        cut_option(reply.and_then(|reply| reply.sender.as_deref()), 255),
        reply.and_then(|reply| reply.text.clone()).into(),
        content.map(|content| content.is_forwarded).into(),
        content.map(|content| content.has_media).into(),
        cut_option(content.and_then(|content| content.origin).map(Origin::name), 8),
        content.and_then(|content| content.sent_at).into(),
        register.map_or(0, |register| register.version.get()).into(),
    ]
}

fn media(register: Option<&Register<Media>>) -> [Value; 5] {
    let media = register.map(|register| &register.value);
    [
        media.and_then(|media| media.url.clone()).into(),
        cut_option(media.and_then(|media| media.mime_type.as_deref()), 255),
        media.and_then(|media| media.file_name.clone()).into(),
        media.and_then(|media| media.error.clone()).into(),
        register.map_or(0, |register| register.version.get()).into(),
    ]
}

fn status(change: &MessageChange) -> [Value; 3] {
    [
        cut_option(change.status.map(MessageStatus::name), 16),
        change.status.map(MessageStatus::ack).into(),
        change.status.map_or(-1, MessageStatus::rank).into(),
    ]
}
