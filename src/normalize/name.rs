//! The name that the person chose who wrote what a webhook tells. Called for every webhook.

use sha2::{Digest, Sha256};

use super::body::Body;
use super::ids::id;
use crate::change::{ContactChange, PersonKey, Register, Version};
use crate::waha::json::Node;
use crate::webhook::first_u64;

/// The sender of a message of somebody else, and the sender's name.
pub(super) fn contact(body: &Body<'_>) -> Option<(PersonKey, ContactChange)> {
    let (jid, name) = noweb(body.data()).or_else(|| gows(body.data())).or_else(|| web(body))?;
    let person = PersonKey::of(&body.session, &jid)?;
    let version = Version::hourly(body.webhook.ordering_at_ms(), first_u64(&Sha256::digest(&name)));
    Some((person, ContactChange { push_name: Some(Register::new(version, name)) }))
}

fn noweb(data: Node<'_>) -> Option<(String, String)> {
    let key = data.at("key");
    let of_other = key.at("fromMe").flag() == Some(false);
    let jid = id(key.at("participant")).or_else(|| id(key.at("remoteJid")));
    Some((jid.filter(|_| of_other)?, data.at("pushName").text()?))
}

fn gows(data: Node<'_>) -> Option<(String, String)> {
    let info = data.at("Info");
    let of_other = info.at("IsFromMe").flag() == Some(false);
    Some((id(info.at("Sender")).filter(|_| of_other)?, info.at("PushName").text()?))
}

/// WEBJS and WPP.
fn web(body: &Body<'_>) -> Option<(String, String)> {
    let data = body.data();
    let of_other = body.payload.at("fromMe").flag() == Some(false);
    let jid = id(body.payload.at("participant"))
        .or_else(|| id(data.at("author")))
        .or_else(|| id(body.payload.at("from")));
    let name = data.at("notifyName").text().or_else(|| data.at("sender").at("pushname").text());
    Some((jid.filter(|_| of_other)?, name?))
}
