//! What is told about a chat, and how far somebody has read it.

use chrono::{DateTime, Utc};

use super::merge::forward;
use super::rename::in_chat;
use super::{Merge, Register, SessionKey};

/// A chat of a session. A person's chat can have two names, `@c.us` and `@lid`: two rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatKey {
    /// Whose chat.
    pub session: SessionKey,
    /// The chat's id in WAHA's form, such as `12025550142@c.us`.
    pub chat_id: String,
}

/// What is told about a chat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatChange {
    /// Its name: a group's subject, or the name that the person of a direct chat chose.
    pub name: Option<Register<String>>,
    /// What a group says of itself; none when it says nothing any more.
    pub description: Option<Register<Option<String>>>,
    /// Whether it is archived.
    pub archived: Option<Register<bool>>,
    /// Its last message; only forward.
    pub last_message: Option<LastMessage>,
    /// When somebody else last wrote; only forward.
    pub last_inbound_at: Option<DateTime<Utc>>,
    /// When the account last wrote; only forward.
    pub last_outbound_at: Option<DateTime<Utc>>,
}

/// A message as the last one of its chat: of two the later one is, and of two of one time that with the
/// larger id, so it makes no difference which is told first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastMessage {
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Its bare id.
    pub message_id: String,
}

impl ChatChange {
    /// Says that a message was written in it, by the account or by somebody else.
    pub fn wrote(&mut self, message_id: &str, at: DateTime<Utc>, from_me: bool) {
        let message = LastMessage { at, message_id: message_id.to_owned() };
        forward(&mut self.last_message, Some(message));
        let side = if from_me { &mut self.last_outbound_at } else { &mut self.last_inbound_at };
        forward(side, Some(at));
    }
}

impl Merge for ChatChange {
    fn merge_in(&mut self, other: Self) {
        merge_fields!(self, other: name, description, archived;
            forward: last_message, last_inbound_at, last_outbound_at);
    }
}

/// What the readers begin with that are users of an application: webhooks name none like that.
pub const USER_READER: &str = "user:";

/// Somebody's reading of a chat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadKey {
    /// The chat that is read.
    pub chat: ChatKey,
    /// Who reads: the own account, the counterpart, or a member of the group.
    pub reader: String,
}

in_chat!(ReadKey: chat, reader);

/// How far it is read; ordered by the time of reading.
pub type ReadChange = Register<Read>;

/// A read mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The bare id of the message.
    pub message_id: String,
    /// When it was read.
    pub at: DateTime<Utc>,
}
