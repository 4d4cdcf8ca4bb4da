//! How people answer a message: reactions, poll votes, answers to invitations, and acks of members
//! of a group.

use chrono::{DateTime, Utc};

use super::rename::in_chat;
use super::{Merge, MessageKey, MessageStatus, Register};

/// Somebody's answer to a message; there is one of each sort per person and message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerKey {
    /// What is answered.
    pub message: MessageKey,
    /// Who answers, in the words of [`MessageChange::told`](super::MessageChange::told).
    pub author: String,
}

in_chat!(AnswerKey: message.chat, author; about message);

/// The newest reaction.
pub type ReactionChange = Register<Reaction>;

/// A reaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Reaction {
    /// Id of who reacts, as told.
    pub jid: Option<String>,
    /// The emoji; none when it was taken back.
    pub text: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The newest vote in a poll.
pub type VoteChange = Register<Vote>;

/// A vote: the whole choice, which replaces earlier ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// Id of who votes, as told.
    pub jid: Option<String>,
    /// The names of the chosen options, none of them when the vote was withdrawn; `None` when WAHA
    /// could not read the vote.
    pub selected: Option<Vec<String>>,
    /// When.
    pub at: DateTime<Utc>,
}

/// The newest answer to an invitation.
pub type EventResponseChange = Register<EventResponse>;

/// An answer to an invitation (WhatsApp's "event").
#[derive(Clone, Debug, PartialEq)]
pub struct EventResponse {
    /// Id of who answers, as told.
    pub jid: Option<String>,
    /// `GOING`, `NOT_GOING`, `MAYBE` or `UNKNOWN`; none when WAHA could not read it.
    pub response: Option<String>,
    /// How many they bring along.
    pub extra_guests: Option<i32>,
    /// When.
    pub at: DateTime<Utc>,
}

/// How far an own message got with one member of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemberAckChange {
    /// Only forward.
    pub status: Option<MessageStatus>,
    /// When it came to the member's phone.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When the member read it.
    pub read_at: Option<DateTime<Utc>>,
    /// When the member played it.
    pub played_at: Option<DateTime<Utc>>,
}

impl Merge for MemberAckChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: ; forward: status; earliest: delivered_at, read_at, played_at);
    }
}
