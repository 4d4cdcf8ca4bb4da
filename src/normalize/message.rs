//! Messages: `message` (of others) and `message.any` (all), told alike.

use serde_json::{Map, Value, json};

use super::body::{Body, id, is_direct};
use super::kind::{self, Kind};
use super::{NormalizeError, Normalized, Rules};
use crate::change::{
    Changes, ChatKey, Content, Media, MessageKey, Origin, Register, Reply, Told, Version,
};
use crate::waha::ack;
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// The author of the own account's messages, whatever id the engine gives it.
const ME: &str = "me";
/// The author of the other side's messages in a direct chat, which has two names (phone and LID).
const CONTACT: &str = "contact";

/// `message` and `message.any`.
pub(super) fn message(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let message_id = body.message_id()?;
    let chat = body.message_chat(&message_id)?;
    let mut changes = body.changes(rules);
    tell(&mut changes, body, &message_id, &chat, body.version);
    let key = MessageKey { chat, message_id: message_id.bare };
    changes.message(&key).status = ack::status(body.payload);
    Ok(Normalized::Changes(changes))
}

/// Tells a message's content, its file, and what it says of its chat.
pub(super) fn tell(
    changes: &mut Changes,
    body: &Body<'_>,
    message_id: &MessageId,
    chat: &ChatKey,
    version: Version,
) {
    let content = content(body, message_id, chat);
    tell_chat(changes, body, chat, &content);
    let author = body.phone_of(author(&content, chat));
    let told = Told {
        first: body.version,
        content: Register::new(version, content),
        media: media(body.payload.at("media")).map(|media| Register::new(version, media)),
    };
    let key = MessageKey { chat: chat.clone(), message_id: message_id.bare.clone() };
    changes.message(&key).told.insert(author, told);
}

/// When the chat's last message was sent, and the name that its person chose.
fn tell_chat(changes: &mut Changes, body: &Body<'_>, chat: &ChatKey, content: &Content) {
    let change = changes.chat(chat);
    change.last_message_at = Some(body.ordering_time(content.sent_at));
    if !content.from_me && is_direct(chat) {
        change.name = content.sender_name.clone().map(|name| Register::new(body.version, name));
    }
}

/// Who owns what is told under a message's id.
fn author(content: &Content, chat: &ChatKey) -> String {
    if content.from_me {
        return ME.to_owned();
    }
    match &content.sender {
        Some(sender) if !is_direct(chat) => sender.clone(),
        Some(_) | None => CONTACT.to_owned(),
    }
}

fn content(body: &Body<'_>, message_id: &MessageId, chat: &ChatKey) -> Content {
    let payload = body.payload;
    let from_me = body.from_me(message_id);
    let kind = kind::of(payload);
    Content {
        waha_id: payload.at("id").text().unwrap_or_default(),
        from_me,
        sender: sender(body, message_id, chat, from_me),
        sender_name: sender_name(body.data()),
        kind: kind.name,
        text: payload.at("body").text(),
        details: details(payload, &kind),
        reply: reply(payload.at("replyTo")),
        is_forwarded: kind.context.at("isForwarded").flag().unwrap_or(false),
        has_media: payload.at("hasMedia").flag().unwrap_or(payload.at("media").is_there()),
        origin: origin(payload.at("source")),
        sent_at: time(payload.at("timestamp")),
    }
}

/// `participant`, else the id's fourth part, else the own account or the chat itself.
fn sender(
    body: &Body<'_>,
    message_id: &MessageId,
    chat: &ChatKey,
    from_me: bool,
) -> Option<String> {
    id(body.payload.at("participant"))
        .or_else(|| message_id.participant.clone())
        .or_else(|| if from_me { body.me() } else { Some(chat.chat_id.clone()) })
}

/// The name that the sender chose: WEBJS and WPP, NOWEB, GOWS.
fn sender_name(data: Node<'_>) -> Option<String> {
    data.at_any(&["notifyName", "pushName"])
        .text()
        .or_else(|| data.at("Info").at("PushName").text())
        .or_else(|| data.at("sender").at("pushname").text())
}

fn origin(source: Node<'_>) -> Option<Origin> {
    match source.str()? {
        "api" => Some(Origin::Api),
        "app" => Some(Origin::App),
        _ => None,
    }
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

/// What some kinds have beyond text, as JSON text.
fn details(payload: Node<'_>, kind: &Kind<'_>) -> Option<String> {
    let mut details = Map::new();
    if let Some(location) = location(payload.at("location")) {
        details.insert("location".into(), location);
    }
    let contacts: Vec<Value> =
        payload.at("vCards").items().filter_map(|c| c.value().cloned()).collect();
    if !contacts.is_empty() {
        details.insert("contacts".into(), contacts.into());
    }
    let mentions: Vec<String> = kind.mentions.items().filter_map(id).collect();
    if !mentions.is_empty() {
        details.insert("mentions".into(), mentions.into());
    }
    (!details.is_empty()).then(|| Value::Object(details).to_string())
}

/// Latitude and longitude are texts in most engines; they are stored as numbers.
fn location(node: Node<'_>) -> Option<Value> {
    let degrees = |field| node.at(field).text()?.parse::<f64>().ok();
    let (latitude, longitude) = (degrees("latitude")?, degrees("longitude")?);
    let mut location = Map::new();
    location.insert("latitude".into(), json!(latitude));
    location.insert("longitude".into(), json!(longitude));
    location.insert("live".into(), json!(node.at("live").flag().unwrap_or(false)));
    for field in ["name", "address", "url", "description"] {
        if let Some(text) = node.at(field).text() {
            location.insert(field.into(), text.into());
        }
    }
    Some(Value::Object(location))
}
