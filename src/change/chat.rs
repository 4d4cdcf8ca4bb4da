//! What is told about a chat, and how far somebody has read it.

use chrono::{DateTime, Utc};

use super::merge::forward;
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
    /// When its last message was sent; only forward.
    pub last_message_at: Option<DateTime<Utc>>,
}

impl Merge for ChatChange {
    fn merge_in(&mut self, other: Self) {
        let Self { name, description, archived, last_message_at } = other;
        self.name.merge_in(name);
        self.description.merge_in(description);
        self.archived.merge_in(archived);
        forward(&mut self.last_message_at, last_message_at);
    }
}

/// Somebody's reading of a chat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadKey {
    /// The chat that is read.
    pub chat: ChatKey,
    /// Who reads: the own account, the counterpart, or a member of the group.
    pub reader: String,
}

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
