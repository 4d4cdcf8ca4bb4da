//! Messages: `message` (of others), `message.any` (all) and `message.waiting`, told alike.

use chrono::{DateTime, Utc};

use super::author::Author;
use super::body::Body;
use super::ids::is_direct;
use super::kind::{Kind, ToldBy};
use super::{
    NormalizeError, Normalized, Rules, act, author, call_log, details, envelope, kind, media, name,
    referral, reply, text,
};
use crate::change::{
    AnswerKey, Changes, ChatKey, Content, MessageKey, MessageStatus, Origin, Register, Reply, Told,
    Version,
};
use crate::waha::ack;
use crate::waha::jid::ChatKind;
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// `message`, `message.any` and `message.waiting`. Some are no messages but act on one.
pub(super) fn message(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let message_id = body.message_id()?;
    let chat = body.message_chat(&message_id)?;
    let mut changes = envelope::changes(body, rules);
    if let Some(act) = act::of(body) {
        act.tell(&mut changes, body, &message_id, &chat);
        changes.acts.insert(MessageKey { chat, message_id: message_id.bare });
        return Ok(Normalized::Changes(changes));
    }
    tell(&mut changes, body, &message_id, &chat, body.version);
    let key = MessageKey { chat, message_id: message_id.bare.clone() };
    let from_me = author::of(body, body.payload, &message_id, &key.chat).is_me;
    let change = changes.message(&key);
    change.status = status(body, &key.chat, from_me);
    change.status_reason = status_reason(body, change.status);
    Ok(Normalized::Changes(changes))
}

/// Why a message could not be sent, as far as the engine says: WEBJS in words, NOWEB by the server's
/// number.
pub(super) fn status_reason(
    body: &Body<'_>,
    status: Option<MessageStatus>,
) -> Option<Register<String>> {
    let data = body.data();
    let told = body.payload.at("ackReason").text().or_else(|| data.at("ackReason").text());
    let told = told.or_else(|| data.at("messageStubParameters").first().text());
    let is_failed = status == Some(MessageStatus::Failed);
    told.filter(|_| is_failed).map(|reason| Register::new(body.version, reason))
}

/// How far a message got. What somebody else sent has arrived, whatever WPP says by default; and
/// posts of channels are told as failed though they are not (WAHA issue 1504).
pub(super) fn status(body: &Body<'_>, chat: &ChatKey, from_me: bool) -> Option<MessageStatus> {
    let is_channel = ChatKind::of(&chat.chat_id) == ChatKind::Channel;
    ack::status(body.payload).filter(|status| match status {
        MessageStatus::Pending => from_me,
        MessageStatus::Failed => !is_channel,
        MessageStatus::Sent
        | MessageStatus::Delivered
        | MessageStatus::Read
        | MessageStatus::Played => true,
    })
}

/// Tells a message's content, its file, and what it says of its chat; nothing of what is no message.
pub(super) fn tell(
    changes: &mut Changes,
    body: &Body<'_>,
    message_id: &MessageId,
    chat: &ChatKey,
    version: Version,
) {
    let message = MessageKey { chat: chat.clone(), message_id: message_id.bare.clone() };
    if act::of(body).is_some() {
        changes.acts.insert(message);
        return;
    }
    let kind = kind::of(body.payload);
    let author = author::of(body, body.payload, message_id, chat);
    let key = AnswerKey { message, author: author.key.clone() };
    let content = content(body, chat, &kind, author);
    tell_chat(changes, body, &key.message, &content);
    call_log::tell(changes, body, &key, &kind);
    let version = band(body, &kind, &content, version);
    if let Some(referral) = referral::of(&kind) {
        changes.refer(key.clone(), Register::new(version, referral));
    }
    let AnswerKey { message, author } = key;
    changes.message(&message).told.insert(author, told(body, &kind, content, version));
}

fn told(body: &Body<'_>, kind: &Kind<'_>, content: Content, version: Version) -> Told {
    let register = |reply: Reply| {
        // One engine quotes the text, another only names the message.
        let version = if reply.text.is_some() { version } else { version.poorer() };
        Register::new(version, reply)
    };
    Told {
        first: body.owning,
        content: Register::new(version, content),
        text: text::of(body.payload, kind).map(|text| Register::new(version, text)),
        sender_name: sender_name(body),
        reply: reply::of(body.payload.at("replyTo"), kind.context).map(register),
        media: media::of(body.payload).map(|media| {
            // A file that was loaded once is not lost by a telling without it.
            let version = if media.url.is_some() { version } else { version.poorer() };
            Register::new(version, media)
        }),
    }
}

/// The version of a telling, lower the less it has.
fn band(body: &Body<'_>, kind: &Kind<'_>, content: &Content, version: Version) -> Version {
    if is_placeholder(content) {
        body.version.placeholder()
    } else if kind.told_by == ToldBy::CommonFields || content.sent_at.is_none() {
        version.poorer()
    } else {
        version
    }
}

/// Whether the engine tells only that there is a message, or that there was one: what is known of
/// its content stays.
fn is_placeholder(content: &Content) -> bool {
    matches!(content.kind.as_ref(), "waiting" | "revoked" | "view_once")
}

/// When who last wrote in the chat, and the name that its person chose. A notice is no message.
fn tell_chat(changes: &mut Changes, body: &Body<'_>, key: &MessageKey, content: &Content) {
    let change = changes.chat(&key.chat);
    if !content.is_notice {
        let at = body.ordering_time(content.sent_at);
        change.wrote(&key.message_id, at, content.from_me);
    }
    if !content.from_me && is_direct(&key.chat) {
        change.name = sender_name(body);
    }
}

fn content(body: &Body<'_>, chat: &ChatKey, kind: &Kind<'_>, author: Author) -> Content {
    let payload = body.payload;
    Content {
        waha_id: payload.at("id").text().unwrap_or_default(),
        from_me: author.is_me,
        sender: author.jid,
        kind: kind.name.into(),
        is_notice: kind.is_notice(),
        details: details::of(body, chat, kind),
        is_forwarded: is_forwarded(kind.context),
        has_media: has_media(payload, kind),
        origin: payload.at("source").str().and_then(Origin::parse),
        sent_at: time(payload.at("timestamp")).or_else(|| sent_at(body.data())),
    }
}

fn is_forwarded(context: Node<'_>) -> Option<bool> {
    let score = context.at("forwardingScore").int().filter(|score| *score > 0);
    context.at("isForwarded").flag().or(score.map(|_| true))
}

/// Whether there is a file: WAHA says no of some kinds that have one.
fn has_media(payload: Node<'_>, kind: &Kind<'_>) -> Option<bool> {
    let told = payload.at("hasMedia").flag();
    let is_there = kind.has_file || media::of(payload).is_some_and(|it| it.url.is_some());
    told.filter(|_| !is_there).or(is_there.then_some(true))
}

/// The time of the engine's form: WEBJS and WPP, NOWEB, GOWS.
fn sent_at(data: Node<'_>) -> Option<DateTime<Utc>> {
    time(data.at_any(&["t", "messageTimestamp"])).or_else(|| time(data.at("Info").at("Timestamp")))
}

/// The name that the sender chose, else the one that WhatsApp verified, which never replaces it.
fn sender_name(body: &Body<'_>) -> Option<Register<String>> {
    let data = body.data();
    let verified = || Some(Register::new(body.version.poorer(), name::verified(data)?));
    name::chosen(data).map(|name| Register::new(body.version, name)).or_else(verified)
}
