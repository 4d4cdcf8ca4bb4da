//! `waha_messages.details`: what some kinds have beyond text, as one JSON object.
//!
//! Common fields of WAHA win over the engine's form, which differs and may be missing. Nothing the
//! sender chose decides about the names of the object's fields.

use serde_json::{Map, Value, json};

use super::body::Body;
use super::fields::{Field, Is, field, pick};
use super::ids::id;
use super::kind::{Kind, form};
use super::{cards, name, referral};
use crate::change::ChatKey;
use crate::waha::json::Node;

/// WAHA's own `location`; latitude and longitude are texts in most engines.
const LOCATION: &[Field] = &[
    field("latitude", &["latitude"], Is::Degrees),
    field("longitude", &["longitude"], Is::Degrees),
    field("name", &["name"], Is::Text),
    field("address", &["address"], Is::Text),
    field("url", &["url"], Is::Text),
    field("description", &["description"], Is::Text),
];

/// What the engine says of any message beside its content.
const CONTEXT: &[Field] = &[
    field("group_mentions", &["groupMentions"], Is::List(GROUP_MENTION)),
    field("forwarding_score", &["forwardingScore"], Is::Int),
    field("quoted_product", &["quotedMessage.productMessage"], Is::Object(form::PRODUCT)),
];
const GROUP_MENTION: &[Field] = &[
    field("chat", &["groupJid", "groupJID"], Is::Jid),
    field("name", &["groupSubject"], Is::Text),
];

/// The details of a message in a chat, if there are any.
pub(super) fn of(body: &Body<'_>, chat: &ChatKey, kind: &Kind<'_>) -> Option<String> {
    let mut details = own_part(kind);
    common(body.payload, &mut details);
    cards::add_numbers(&mut details);
    beside(body, chat, kind, &mut details);
    let mentions: Vec<String> = kind.mentions.items().filter_map(id).collect();
    if !mentions.is_empty() {
        details.insert("mentions".into(), mentions.into());
    }
    if kind.is_view_once && is_seen(kind) {
        details.insert("view_once".into(), true.into());
    }
    if let Some(seconds) = kind.expires_after_s {
        details.insert("expires_after_s".into(), seconds.into());
    }
    (!details.is_empty()).then(|| Value::Object(details).to_string())
}

/// What any message can have.
fn beside(body: &Body<'_>, chat: &ChatKey, kind: &Kind<'_>, details: &mut Map<String, Value>) {
    details.extend(pick(kind.context, CONTEXT));
    if details.get("forwarding_score").and_then(Value::as_i64).is_some_and(|score| score <= 0) {
        details.remove("forwarding_score");
    }
    if kind.context.at_like("nonJidMentions").int().is_some_and(|count| count > 0) {
        details.insert("mentions_everybody".into(), true.into());
    }
    // An answer to a story, or to what was said in a group, in private.
    let elsewhere = id(kind.context.at_any(&["remoteJid", "remoteJID", "quotedRemoteJid"]));
    if let Some(elsewhere) = elsewhere.filter(|it| *it != chat.chat_id) {
        details.insert("reply_to_chat".into(), elsewhere.into());
    }
    if let Some(album) = &kind.album {
        details.insert("album_id".into(), album.as_str().into());
    }
    if let Some(username) = name::username(body) {
        details.insert("sender_username".into(), username.into());
    }
    let referral = referral::details(kind);
    if !referral.is_empty() {
        details.insert("referral".into(), referral.into());
    }
}

/// Buttons and lists are wrapped as if they were to be seen once; only what is seen or heard is.
fn is_seen(kind: &Kind<'_>) -> bool {
    matches!(kind.name, "image" | "video" | "audio" | "voice" | "view_once")
}

/// What this kind of message has.
fn own_part(kind: &Kind<'_>) -> Map<String, Value> {
    let picked = pick(kind.form, kind.fields);
    match kind.part {
        "" => picked,
        _ if picked.is_empty() => picked,
        part => Map::from_iter([(part.to_owned(), picked.into())]),
    }
}

/// What WAHA tells itself.
fn common(payload: Node<'_>, details: &mut Map<String, Value>) {
    let told = payload.at("location");
    let mut location = pick(told, LOCATION);
    if location.contains_key("latitude") && location.contains_key("longitude") {
        location.insert("live".into(), json!(told.at("live").flag().unwrap_or(false)));
        details.insert("location".into(), location.into());
    }
    let contacts = pick(payload, &[field("contacts", &["vCards"], Is::Texts(""))]);
    details.extend(contacts);
}
