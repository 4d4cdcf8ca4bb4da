//! Messages: `message` (of others), `message.any` (all) and `message.waiting`, told alike.

use super::author::Author;
use super::body::Body;
use super::ids::{id, is_direct};
use super::{NormalizeError, Normalized, Rules, author, details, envelope, kind};
use crate::change::{
    Changes, ChatKey, Content, Media, MessageKey, MessageStatus, Origin, Register, Reply, Told,
    Version,
};
use crate::waha::ack;
use crate::waha::jid::ChatKind;
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// `message`, `message.any` and `message.waiting`.
pub(super) fn message(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let message_id = body.message_id()?;
    let chat = body.message_chat(&message_id)?;
    let mut changes = envelope::changes(body, rules);
    tell(&mut changes, body, &message_id, &chat, body.version);
    let key = MessageKey { chat, message_id: message_id.bare.clone() };
    let from_me = author::of(body, body.payload, &message_id, &key.chat).is_me;
    changes.message(&key).status = status(body, &key.chat, from_me);
    Ok(Normalized::Changes(changes))
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

/// Tells a message's content, its file, and what it says of its chat.
pub(super) fn tell(
    changes: &mut Changes,
    body: &Body<'_>,
    message_id: &MessageId,
    chat: &ChatKey,
    version: Version,
) {
    let author = author::of(body, body.payload, message_id, chat);
    let key = author.key.clone();
    let content = content(body, author);
    tell_chat(changes, body, chat, &content);
    let version = if is_placeholder(&content) { body.version.placeholder() } else { version };
    let told = Told {
        first: body.version,
        content: Register::new(version, content),
        media: media(body.payload.at("media")).map(|media| Register::new(version, media)),
    };
    let message = MessageKey { chat: chat.clone(), message_id: message_id.bare.clone() };
    changes.message(&message).told.insert(key, told);
}

/// Whether the engine tells only that there is a message, or that there was one: what is known of
/// its content stays.
fn is_placeholder(content: &Content) -> bool {
    matches!(content.kind.as_ref(), "waiting" | "revoked" | "view_once")
}

/// When the chat's last message was sent, and the name that its person chose.
fn tell_chat(changes: &mut Changes, body: &Body<'_>, chat: &ChatKey, content: &Content) {
    let change = changes.chat(chat);
    change.last_message_at = Some(body.ordering_time(content.sent_at));
    if !content.from_me && is_direct(chat) {
        change.name = content.sender_name.clone().map(|name| Register::new(body.version, name));
    }
}

fn content(body: &Body<'_>, author: Author) -> Content {
    let payload = body.payload;
    let kind = kind::of(payload);
    Content {
        waha_id: payload.at("id").text().unwrap_or_default(),
        from_me: author.is_me,
        sender: author.jid,
        sender_name: sender_name(body.data()),
        kind: kind.name.into(),
        text: payload.at("body").text().filter(|_| !kind.body_is_no_text),
        details: details::of(payload, &kind),
        reply: reply(payload.at("replyTo")).or_else(|| quoted(kind.context)),
        is_forwarded: kind.context.at("isForwarded").flag().unwrap_or(false),
        has_media: payload.at("hasMedia").flag().unwrap_or(payload.at("media").is_there()),
        origin: payload.at("source").str().and_then(Origin::parse),
        sent_at: time(payload.at("timestamp")),
    }
}

/// The name that the sender chose: WEBJS and WPP, NOWEB, GOWS.
fn sender_name(data: Node<'_>) -> Option<String> {
    data.at_any(&["notifyName", "pushName"])
        .text()
        .or_else(|| data.at("Info").at("PushName").text())
        .or_else(|| data.at("sender").at("pushname").text())
}

/// The quoted message; WPP names it by its serialized id, the others by its bare one.
fn reply(node: Node<'_>) -> Option<Reply> {
    let message_id = MessageId::parse(&node.at("id").text()?)?;
    Some(Reply {
        message_id: message_id.bare,
        sender: id(node.at("participant")).or(message_id.participant),
        text: node.at("body").text(),
    })
}

/// The quoted message as the engine tells it, where WAHA (before 2024) says nothing of it.
fn quoted(context: Node<'_>) -> Option<Reply> {
    let message_id = context.at_any(&["stanzaId", "stanzaID", "quotedStanzaID"]).text()?;
    let message = context.at_any(&["quotedMessage", "quotedMsg"]);
    let text = message.at_any(&["conversation", "body", "caption"]).text();
    Some(Reply {
        message_id: MessageId::parse(&message_id)?.bare,
        sender: id(context.at_any(&["quotedParticipant", "participant"])),
        text: text.or_else(|| message.at("extendedTextMessage").at("text").text()),
    })
}

/// The file: none told while WAHA says `null`, which also stands for "not loaded".
fn media(node: Node<'_>) -> Option<Media> {
    node.is_there().then(|| Media {
        url: node.at("url").text(),
        mime_type: node.at("mimetype").text(),
        file_name: node.at("filename").text(),
        error: media_error(node.at("error")),
    })
}

/// One line of the error, whose shape varies; `details` is a stack trace.
fn media_error(node: Node<'_>) -> Option<String> {
    let text = node.at_any(&["message", "details", "code"]).text().or_else(|| node.text());
    let text = text.or_else(|| node.is_there().then(|| "unknown".to_owned()))?;
    text.lines().next().map(str::to_owned)
}
