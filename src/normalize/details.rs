//! `waha_messages.details`: what some kinds have beyond text, as one JSON object.
//!
//! Common fields of WAHA win over the engine's form, which differs and may be missing. Nothing the
//! sender chose decides about the names of the object's fields.

use serde_json::{Map, Value, json};

use super::fields::{Field, Is, field, pick};
use super::ids::id;
use super::kind::Kind;
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

/// The details of a message, if there are any.
pub(super) fn of(payload: Node<'_>, kind: &Kind<'_>) -> Option<String> {
    let mut details = own_part(kind);
    common(payload, &mut details);
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
