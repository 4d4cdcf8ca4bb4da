//! `poll.vote` and `poll.vote.failed`: a voter's whole choice, which replaces earlier ones.
//!
//! A vote that WAHA could not read is stored as an unknown choice: the voter did vote, and what was
//! known before is out of date.

use super::author::{self, Author, ME};
use super::body::Body;
use super::ids::{bare_id, id};
use super::{NormalizeError, Normalized, Rules, envelope};
use crate::change::{AnswerKey, ChatKey, MessageKey, Register, Vote};
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;
use crate::waha::time::time;
use crate::webhook::EventType;

/// Either of the two.
pub(super) fn vote(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (told, poll) = (body.payload.at("vote"), body.payload.at("poll"));
    let read = |node: Node<'_>| node.at("id").text().and_then(|text| MessageId::parse(&text));
    let poll_id = read(poll).filter(bare_id).ok_or_else(|| body.missing("payload.poll.id"))?;
    let vote_id = read(told);
    let chat = vote_id.as_ref().and_then(|id| id.chat.clone()).or_else(|| poll_id.chat.clone());
    let chat = chat
        .or_else(|| id(told.at("from")).filter(|from| from != ME))
        .or_else(|| id(told.at("to")).filter(|to| to != ME))
        .map(|chat_id| body.chat(chat_id))
        .ok_or_else(|| body.missing("payload.vote.from"))?;
    // WEBJS and WPP give the vote the id of its poll, so it does not name the voter.
    let vote_id = vote_id.filter(|vote| vote.bare != poll_id.bare);
    let voter = voter(body, told, vote_id, &chat);
    let told_at = time(told.at("timestamp"));
    let vote =
        Vote { jid: voter.jid, selected: selected(body, told), at: body.ordering_time(told_at) };
    let message = MessageKey { chat, message_id: poll_id.bare };
    let mut changes = envelope::changes(body, rules);
    let version = body.version_at(told_at);
    changes.vote(AnswerKey { message, author: voter.key }, Register::new(version, vote));
    Ok(Normalized::Changes(changes))
}

fn voter(body: &Body<'_>, told: Node<'_>, vote_id: Option<MessageId>, chat: &ChatKey) -> Author {
    let from = id(told.at("from"));
    let is_me = from.as_deref() == Some(ME);
    let person = |jid: &String| jid != ME && *jid != chat.chat_id;
    let participant = id(told.at("participant"))
        .or_else(|| vote_id.as_ref().and_then(|vote| vote.participant.clone()))
        .or_else(|| id(body.data().at("voter")).filter(person))
        .or_else(|| from.filter(person));
    let from_me = told.at("fromMe").flag().or_else(|| vote_id.and_then(|vote| vote.from_me));
    author::known(body, participant, is_me || from_me.unwrap_or(false), chat)
}

/// The names of the chosen options; nothing when the vote could not be read.
fn selected(body: &Body<'_>, told: Node<'_>) -> Option<Vec<String>> {
    if body.webhook.event_type() == EventType::PollVoteFailed {
        return None;
    }
    let name = |option: Node<'_>| option.text().or_else(|| option.at("name").text());
    told.at("selectedOptions")
        .is_list()
        .then(|| told.at("selectedOptions").items().filter_map(name).collect())
}
