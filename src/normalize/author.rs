//! Who did something in a chat: wrote, edited, revoked, reacted, voted.
//!
//! Rule that holds for all engines: `participant`, else the fourth part of the id, else the own
//! account or the chat itself.

use super::body::Body;
use super::ids::{id, is_direct};
use crate::change::ChatKey;
pub(super) use crate::change::ME;
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;

/// The other side of a direct chat, which has two names (phone and LID).
const CONTACT: &str = "contact";

/// Somebody, under a name that stays the same.
pub(super) struct Author {
    /// `me`, `contact` or the member's id.
    pub(super) key: String,
    /// The id as told.
    pub(super) jid: Option<String>,
    /// Whether it is the own account.
    pub(super) is_me: bool,
}

/// Who did what `node` tells under a message id.
pub(super) fn of(body: &Body<'_>, node: Node<'_>, told: &MessageId, chat: &ChatKey) -> Author {
    let participant = id(node.at("participant")).or_else(|| told.participant.clone());
    let from_me = node.at("fromMe").flag().or(told.from_me).unwrap_or(false);
    known(body, participant, from_me, chat)
}

/// Somebody whose id is told, or not.
pub(super) fn known(
    body: &Body<'_>,
    participant: Option<String>,
    from_me: bool,
    chat: &ChatKey,
) -> Author {
    // NOWEB before 2025.9.5 says `fromMe: false` of own group messages (WAHA issue 1005).
    let is_me = from_me || participant.as_deref().is_some_and(|jid| body.is_me(jid));
    let jid = participant
        .or_else(|| if is_me { body.me() } else { Some(chat.chat_id.clone()) })
        .filter(|jid| jid != ME);
    let key = match &jid {
        _ if is_me => ME.to_owned(),
        Some(jid) if !is_direct(chat) => jid.clone(),
        Some(_) | None => CONTACT.to_owned(),
    };
    Author { key, jid, is_me }
}
