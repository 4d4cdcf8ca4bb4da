//! `waha_messages`: content and file are registers of the author who owns the row; the status only
//! moves forward. What an edit or another author's claim makes of it, `apply/conflicts` decides.
//!
//! `waha_message_claims` has the columns that an author tells, too.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::{cut, cut_option, joined};
use crate::change::{
    Content, Media, MessageChange, MessageKey, MessageStatus, Origin, Register, Told,
};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

const TABLE: &str = "waha_messages";
const KEY: [&str; 3] = ["session_id", "chat_id", "message_id"];
/// The columns that `apply/conflicts/shown` derives, after the key.
const SHOWN: [&str; 9] = [
    "session_id",
    "chat_id",
    "message_id",
    "content",
    "original_content",
    "edited_at",
    "edited_version",
    "revoked_at",
    "revoked_by",
];
/// The columns that an author tells; in `waha_message_claims`, too.
pub(super) const TOLD: [&str; 22] = [
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
];
const COLUMNS: [&str; 33] = joined(
    [
        "session_id",
        "chat_id",
        "message_id",
        "updated_at",
        "status",
        "ack",
        "status_rank",
        "is_amended",
        "is_stub",
        "original_content",
        "edited_version",
    ],
    TOLD,
);
/// All but the text, which may be an edit's.
const CONTENT: [&str; 13] = [
    "waha_id",
    "from_me",
    "sender",
    "sender_name",
    "type",
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

/// Adds what is told to what is there, as long as it is the same author's or nobody's.
pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    let upsert = Upsert::new(dialect, TABLE, &KEY, &COLUMNS);
    let old = |column| upsert.old_value(column);
    let new = |column| upsert.new_value(column);
    let told = format!("{} IS NOT NULL", new("author"));
    let free = format!("{told} AND {} IS NULL", old("author"));
    let mine = format!("({told} AND ({} IS NULL OR {0} = {}))", old("author"), new("author"));
    let newer = |version| format!("{mine} AND {} > {}", new(version), old(version));
    let (content, media) = (newer("content_version"), newer("media_version"));
    let edited = format!("{} > 0", old("edited_version"));
    let original = format!(
        "CASE WHEN {content} AND {edited} THEN {} ELSE {} END",
        new("content"),
        old("original_content"),
    );
    let earlier = format!(
        "{mine} AND ({} IS NULL OR {} < {})",
        old("author"),
        new("author_version"),
        old("author_version")
    );
    let is_amended = new("is_amended");
    // What decides about others comes after them: first the versions, last the author.
    upsert
        .assign("original_content", original)
        .when(&format!("{content} AND NOT ({edited})"), &["content"])
        .when(&content, &CONTENT)
        .when(&content, &["content_version"])
        .when(&media, &MEDIA)
        .when(&media, &["media_version"])
        .when(&told, &["is_stub"])
        .when(&earlier, &["author_version"])
        .when(&free, &["author"])
        .when(&is_amended, &["is_amended"])
        .register("status_rank", &["status", "ack"])
        .replace("updated_at")
}

/// Replaces what a row that is there shows of its edits and revocations.
pub(in crate::store) fn shown(dialect: Dialect) -> Upsert {
    let shown = Upsert::new(dialect, TABLE, &KEY, &SHOWN);
    SHOWN.into_iter().filter(|column| !KEY.contains(column)).fold(shown, Upsert::replace)
}

/// Replaces what the owner of a row tells, as if it had never been edited: for rows that are locked
/// and about to be settled.
pub(in crate::store) fn rewrite(dialect: Dialect) -> Upsert {
    let rewrite = Upsert::new(dialect, TABLE, &KEY, &COLUMNS);
    let always = ["is_stub", "original_content", "edited_version"];
    TOLD.into_iter().chain(always).fold(rewrite, Upsert::replace)
}

pub(in crate::store) fn row(
    session_id: i64,
    chat_id: i64,
    key: &MessageKey,
    change: &MessageChange,
    is_amended: bool,
    now: DateTime<Utc>,
) -> Vec<Value> {
    let owner = change.owner();
    let mut row = vec![session_id.into(), chat_id.into(), cut(&key.message_id, 255), now.into()];
    row.extend(status(change.status));
    row.push(is_amended.into());
    row.push(owner.is_none().into());
    row.extend([Value::String(None), 0_i64.into()]);
    row.extend(told(owner));
    row
}

/// The values of [`TOLD`].
pub(super) fn told(owner: Option<(&str, &Told)>) -> Vec<Value> {
    let (author, told) = owner.unzip();
    let mut row = vec![cut_option(author, 255), told.map_or(0, |told| told.first.get()).into()];
    row.extend(content(told.map(|told| &told.content)));
    row.extend(media(told.and_then(|told: &Told| told.media.as_ref())));
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
        cut_option(content.map(|content| content.kind.as_ref()), 32),
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

fn status(status: Option<MessageStatus>) -> [Value; 3] {
    [
        cut_option(status.map(MessageStatus::name), 16),
        status.map(MessageStatus::ack).into(),
        status.map_or(-1, MessageStatus::rank).into(),
    ]
}
