//! Sets apart what is told of the account's own messages in direct chats.
//!
//! Called for the changes of each webhook. Engines tell a message under one name of its chat and what
//! becomes of it under another (NOWEB: sent to `…@c.us`, acknowledged under `…@lid`; #1564, #1627), so
//! the store looks for the message itself. That is safe for what our own account chose the id of, and
//! where nobody else can speak: its messages, edits and revocations, and acks of its messages (`ack`
//! says which are). It is never done for what others did, in groups, broadcasts or stories.

use crate::change::own::is_person;
use crate::change::{Changes, ME, MessageKey, OwnMessageChange, Witness};

/// Sets it apart.
pub(super) fn set_apart(changes: &mut Changes) {
    let is_mine = |key: &MessageKey, author: &str| author == ME && is_person(&key.chat);
    let told =
        changes.messages.iter().filter(|(key, it)| it.told.keys().any(|by| is_mine(key, by)));
    let told: Vec<MessageKey> = told.map(|(key, _)| key.clone()).collect();
    for key in told {
        let status = changes.message(&key).status.take();
        let chat = changes.chat(&key.chat);
        chat.last_outbound_at = None;
        let told_at = chat.last_message.take().map(|message| message.at);
        let own = OwnMessageChange { witness: Witness::Told, status, told_at };
        changes.own_message(&key, own);
    }
    let edited = changes.edits.keys().map(|key| (&key.message, &key.author));
    let revoked = changes.revocations.keys().map(|key| (&key.message, &key.author));
    let amended = edited.chain(revoked).filter(|(key, author)| is_mine(key, author));
    let amended: Vec<MessageKey> = amended.map(|(key, _)| key.clone()).collect();
    for key in amended {
        changes.own_message(&key, OwnMessageChange::new(Witness::Amended));
    }
}
