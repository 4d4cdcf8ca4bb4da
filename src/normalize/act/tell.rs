//! Tells what an act does to the message that it names.

use chrono::{DateTime, Utc};

use super::Act;
use crate::change::{
    AnswerKey, Changes, ChatKey, Edit, EditKey, EventResponse, MessageKey, Reaction, Register,
    Revocation, RevocationKey, Version, Vote,
};
use crate::normalize::body::Body;
use crate::normalize::ids::bare_id;
use crate::normalize::{author, revoke};
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

impl Act<'_> {
    /// Tells it of the message that it acts on, if that is named.
    pub(in crate::normalize) fn tell(
        self,
        changes: &mut Changes,
        body: &Body<'_>,
        own: &MessageId,
        chat: &ChatKey,
    ) {
        match self {
            Self::Edit(key, text) => {
                if let Some(message) = target(key, chat) {
                    tell_edit(changes, body, own, message, text);
                }
            }
            Self::Revocation(key) => {
                if let Some(message) = target(key, chat) {
                    tell_revocation(changes, body, own, message);
                }
            }
            Self::Vote(key) => {
                if let Some((key, jid, at)) = answer(body, own, chat, key) {
                    let vote = Vote { jid, selected: None, at };
                    changes.vote(key, Register::new(body.version.retold(), vote));
                }
            }
            Self::EventResponse(key) => {
                if let Some((key, jid, at)) = answer(body, own, chat, key) {
                    let response = EventResponse { jid, response: None, extra_guests: None, at };
                    changes.answer_event(key, Register::new(body.version.retold(), response));
                }
            }
            Self::Reaction(key, text) => {
                if let Some((key, jid, at)) = answer(body, own, chat, key) {
                    let version = body.version_at(time(body.payload.at("timestamp")));
                    changes.react(key, Register::new(version, Reaction { jid, text, at }));
                }
            }
            Self::Unseen => {}
        }
    }
}

/// The message that a key names: it is in the chat in which somebody acts on it.
fn target(key: Node<'_>, chat: &ChatKey) -> Option<MessageKey> {
    let id = key.path("id").text().or_else(|| key.path("_serialized").text())?;
    let id = MessageId::parse(&id).filter(bare_id)?;
    Some(MessageKey { chat: chat.clone(), message_id: id.bare })
}

/// Somebody's answer to a message, whose it is, and when.
fn answer(
    body: &Body<'_>,
    own: &MessageId,
    chat: &ChatKey,
    key: Node<'_>,
) -> Option<(AnswerKey, Option<String>, DateTime<Utc>)> {
    let message = target(key, chat)?;
    let author = author::of(body, body.payload, own, chat);
    let at = body.ordering_time(time(body.payload.at("timestamp")));
    Some((AnswerKey { message, author: author.key }, author.jid, at))
}

fn tell_edit(
    changes: &mut Changes,
    body: &Body<'_>,
    own: &MessageId,
    message: MessageKey,
    text: Option<String>,
) {
    let at = body.ordering_time(time(body.payload.at("timestamp")));
    let version = if text.is_some() { body.version } else { body.version.retold() };
    let author = author::of(body, body.payload, own, &message.chat).key;
    let key = EditKey { message, author, edit_id: own.bare.clone() };
    changes.edit(key, Register::new(version, Edit { text, at }));
}

fn tell_revocation(changes: &mut Changes, body: &Body<'_>, own: &MessageId, message: MessageKey) {
    let by = author::of(body, body.payload, own, &message.chat);
    let at = body.ordering_time(time(body.payload.at("timestamp")));
    let revocation = Revocation {
        version: Version::at(at.timestamp_millis(), body.webhook.key().hash()),
        at,
        by: by.jid.unwrap_or_else(|| by.key.clone()),
        is_verified: revoke::is_verified(body, body.payload),
    };
    changes.revoke(RevocationKey { message, author: by.key }, revocation);
}
