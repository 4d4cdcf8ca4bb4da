//! Lanes keep a call or a session change from waiting behind a million messages.
//!
//! Which event type goes where stands in the table of event types, and nowhere else: what a broker binds is
//! derived from it, so the door, the worker and the broker can't disagree.

/// One of the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Session status.
    Sessions,
    /// Messages, acks, votes and what else happens to a message.
    Messages,
    /// Calls.
    Calls,
    /// Chats, groups, labels, what is ephemeral, and every event type that is not known.
    Chats,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 4] = [Self::Sessions, Self::Messages, Self::Calls, Self::Chats];

    /// The name in tables, logs and queue names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Messages => "messages",
            Self::Calls => "calls",
            Self::Chats => "chats",
        }
    }
}
