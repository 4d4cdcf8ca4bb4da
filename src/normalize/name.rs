//! The names of the person who wrote what a webhook tells: the one that the person chose, and the username
//! by which WhatsApp finds somebody without a number. Called for every webhook.

use sha2::{Digest, Sha256};

use super::body::Body;
use super::ids::id;
use crate::change::{ContactChange, PersonKey, Register, Version};
use crate::waha::json::Node;
use crate::webhook::first_u64;

/// Longest username that is read; WhatsApp's have 35 characters.
const USERNAME_CHARS_MAX: usize = 255;

/// The sender of a message of somebody else, and the sender's names.
pub(super) fn contact(body: &Body<'_>) -> Option<(PersonKey, ContactChange)> {
    let jid = sender(body)?;
    let person = PersonKey::of(&body.session, &jid)?;
    let push_name = forms(body).into_iter().find_map(chosen).map(|name| hourly(body, name));
    let verified = || forms(body).into_iter().find_map(verified);
    // Only a business that shows no name is known by the verified one.
    let push_name = push_name.or_else(|| {
        verified()
            .map(|name| Register { version: hourly_version(body, &name).poorer(), value: name })
    });
    let username = username(body).map(|name| hourly(body, name));
    let change = ContactChange { push_name, username };
    (change != ContactChange::default()).then_some((person, change))
}

/// The name that the sender chose: WEBJS and WPP, NOWEB, GOWS.
pub(super) fn chosen(data: Node<'_>) -> Option<String> {
    data.at_any(&["notifyName", "pushName"])
        .text()
        .or_else(|| data.at("Info").at("PushName").text())
        .or_else(|| data.at("sender").at("pushname").text())
}

/// The name of a business that WhatsApp verified.
pub(super) fn verified(data: Node<'_>) -> Option<String> {
    data.at_any(&["verifiedBizName", "verifiedName"])
        .text()
        .or_else(|| data.path("Info.VerifiedName.Details.verifiedName").text())
        .or_else(|| data.path("sender.verifiedName").text())
}

/// The sender's username.
pub(super) fn username(body: &Body<'_>) -> Option<String> {
    let data = body.data();
    let payload = body.payload;
    let key = data.at("key");
    let of_chat = key.at("remoteJidUsername").text().filter(|_| !is_group(key));
    let told = key.at("participantUsername").text().or(of_chat);
    let told = told.or_else(|| data.at("Info").at("SenderUsername").text());
    let told = told.or_else(|| data.path("sender.username").text());
    told.filter(|name| {
        payload.at("fromMe").flag() != Some(true) && name.len() <= USERNAME_CHARS_MAX
    })
}

fn is_group(key: Node<'_>) -> bool {
    key.at("participant").text().is_some()
}

/// Where the engine says who wrote: of a message, or of a revocation.
fn forms<'a>(body: &Body<'a>) -> [Node<'a>; 2] {
    [body.data(), body.payload.at("after").at("_data")]
}

/// Who wrote, if it is somebody else.
fn sender(body: &Body<'_>) -> Option<String> {
    let after = body.payload.at("after");
    forms(body)
        .into_iter()
        .find_map(|data| noweb(data).or_else(|| gows(data)))
        .or_else(|| web(body.payload, body.data()).or_else(|| web(after, after.at("_data"))))
}

fn noweb(data: Node<'_>) -> Option<String> {
    let key = data.at("key");
    let of_other = key.at("fromMe").flag() == Some(false);
    let jid = id(key.at("participant")).or_else(|| id(key.at("remoteJid")));
    jid.filter(|_| of_other)
}

fn gows(data: Node<'_>) -> Option<String> {
    let info = data.at("Info");
    id(info.at("Sender")).filter(|_| info.at("IsFromMe").flag() == Some(false))
}

/// WEBJS and WPP.
fn web(message: Node<'_>, data: Node<'_>) -> Option<String> {
    let of_other = message.at("fromMe").flag() == Some(false);
    let jid = id(message.at("participant"))
        .or_else(|| id(data.at("author")))
        .or_else(|| id(message.at("from")));
    jid.filter(|_| of_other)
}

fn hourly(body: &Body<'_>, name: String) -> Register<String> {
    Register::new(hourly_version(body, &name), name)
}

fn hourly_version(body: &Body<'_>, name: &str) -> Version {
    let hash = first_u64(&Sha256::digest(name));
    body.banded(Version::hourly(body.webhook.ordering_at_ms(), hash))
}
