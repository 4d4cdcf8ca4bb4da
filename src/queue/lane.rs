//! Lanes keep a call or a session change from waiting behind a million messages.
//!
//! Invariant: [`Lane::of`] is the only table of lanes. What a broker binds is derived from it, so the
//! door, the worker and the broker can't disagree on where an event type belongs.

use crate::webhook::EventType;

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

    /// The lane of an event type.
    pub fn of(event_type: EventType) -> Self {
        match event_type {
            EventType::SessionStatus => Self::Sessions,
            EventType::Message
            | EventType::MessageAny
            | EventType::MessageReaction
            | EventType::MessageAck
            | EventType::MessageAckGroup
            | EventType::MessageWaiting
            | EventType::MessageRevoked
            | EventType::MessageEdited
            | EventType::PollVote
            | EventType::PollVoteFailed
            | EventType::EventResponse
            | EventType::EventResponseFailed => Self::Messages,
            EventType::CallReceived | EventType::CallAccepted | EventType::CallRejected => {
                Self::Calls
            }
            EventType::ChatArchive
            | EventType::PresenceUpdate
            | EventType::LabelUpsert
            | EventType::LabelDeleted
            | EventType::LabelChatAdded
            | EventType::LabelChatDeleted
            | EventType::GroupJoin
            | EventType::GroupLeave
            | EventType::GroupUpdate
            | EventType::GroupParticipants
            | EventType::GroupJoinRequest
            | EventType::GroupJoinV1
            | EventType::GroupLeaveV1
            | EventType::StateChange
            | EventType::EngineEvent
            | EventType::Other => Self::Chats,
        }
    }

    /// Every event type that has a name, with its lane.
    pub fn event_types() -> impl Iterator<Item = (&'static str, Self)> {
        EventType::names().map(|name| (name, Self::of(EventType::parse(name))))
    }

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
