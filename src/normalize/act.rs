//! What comes as a message and is none: it acts on another message, or is traffic between WhatsApp's clients.
//!
//! Until 2025.6.3 WAHA told edits and revocations as `message.any`; and what it can't decrypt (edits,
//! votes, reactions, comments, answers to invitations) it still does. Those that name their target go
//! there, unreadable ones below every readable telling of the same act; nothing here makes a message.

mod tell;

use super::body::Body;
use super::fields::word;
use super::kind::{form, proto};
use super::text;
use crate::waha::json::Node;

/// Protocol messages that a person sees: as notices.
const NOTICES: [&str; 5] = [
    "EPHEMERAL_SETTING",
    "SHARE_PHONE_NUMBER",
    "STATUS_MENTION_MESSAGE",
    "LIMIT_SHARING",
    "GROUP_MEMBER_LABEL_CHANGE",
];
/// Parts of a message that act on another one, or on nothing that is seen, and can't be read.
const UNSEEN: [&str; 4] =
    ["keepInChatMessage", "messageHistoryNotice", "stickerSyncRmrMessage", "groupRootKeyShare"];
/// The same as WhatsApp Web names them.
const UNSEEN_WEB: [&str; 9] = [
    "reaction",
    "reaction_enc",
    "poll_update",
    "keep_in_chat",
    "event_response",
    "event_edit_encrypted",
    "secret_encrypted",
    "message_history_notice",
    "protocol",
];

/// What a message is that is none.
pub(super) enum Act<'a> {
    /// An edit of the message with this key, and its text, if it can be read.
    Edit(Node<'a>, Option<String>),
    /// A revocation.
    Revocation(Node<'a>),
    /// A vote in a poll that can't be read.
    Vote(Node<'a>),
    /// An answer to an invitation that can't be read.
    EventResponse(Node<'a>),
    /// A reaction.
    Reaction(Node<'a>, Option<String>),
    /// Nothing for people.
    Unseen,
}

/// What a payload is that looks like a message; none if it is one.
pub(super) fn of<'a>(body: &Body<'a>) -> Option<Act<'a>> {
    let data = body.data();
    let message = proto::inner(data).message;
    let mut parts = proto::parts(message).peekable();
    if parts.peek().is_none() {
        let is_empty = message.fields().next().is_some();
        return if is_empty { Some(Act::Unseen) } else { web(data) };
    }
    parts.find_map(|part| of_part(part, message.at(part)))
}

fn of_part<'a>(part: &str, form: Node<'a>) -> Option<Act<'a>> {
    match part {
        "protocolMessage" => protocol(form),
        "secretEncryptedMessage" => Some(secret(form)),
        "pollUpdateMessage" => Some(Act::Vote(form.at("pollCreationMessageKey"))),
        "encEventResponseMessage" => Some(Act::EventResponse(form.at("eventCreationMessageKey"))),
        "reactionMessage" => Some(Act::Reaction(form.at("key"), form.at("text").text())),
        _ if UNSEEN.contains(&part) || form.at("encPayload").is_there() => Some(Act::Unseen),
        _ => None,
    }
}

fn protocol(form: Node<'_>) -> Option<Act<'_>> {
    let told = word(form.at("type"), form::PROTOCOL_TYPES).unwrap_or_default();
    match told.as_str() {
        "MESSAGE_EDIT" => {
            let edited = form.at("editedMessage");
            Some(Act::Edit(form.at("key"), text::of_message(proto::unwrapped(edited))))
        }
        "REVOKE" => Some(Act::Revocation(form.at("key"))),
        notice if NOTICES.contains(&notice) => None,
        _ => Some(Act::Unseen),
    }
}

/// An encrypted edit, of a message, an invitation or a poll.
fn secret(form: Node<'_>) -> Act<'_> {
    let words = ["", "EVENT_EDIT", "MESSAGE_EDIT", "MESSAGE_SCHEDULE", "POLL_EDIT"];
    match word(form.at("secretEncType"), &words).as_deref() {
        Some(kind) if kind.ends_with("_EDIT") => Act::Edit(form.at("targetMessageKey"), None),
        Some(_) | None => Act::Unseen,
    }
}

/// The raw message of WhatsApp Web.
fn web(data: Node<'_>) -> Option<Act<'_>> {
    let kind = data.at("type").str()?;
    if !UNSEEN_WEB.contains(&kind) {
        return None;
    }
    let key = data.at("protocolMessageKey");
    match data.at("subtype").str().unwrap_or_default() {
        "ephemeral_setting" => None,
        "message_edit" => Some(Act::Edit(key, data.at_any(&["body", "caption"]).text())),
        "sender_revoke" | "admin_revoke" | "revoke" => Some(Act::Revocation(key)),
        _ => Some(Act::Unseen),
    }
}
