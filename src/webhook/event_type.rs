//! WAHA's event types (enum `WAHAEvents` of its `src/structures/enums.dto.ts`), matched in one place.

use super::lane::Lane;

/// Types, their names and their lanes, each said once.
macro_rules! event_types {
    ($($(#[$meaning:meta])* $kind:ident = $name:literal in $lane:ident;)+) => {
        /// What happened, as WAHA names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventType {
            $(
                #[doc = concat!("`", $name, "`\n\n")]
                $(#[$meaning])*
                $kind,
            )+
            /// Any other name, kept in the webhook's key.
            Other,
        }

        /// Every type that has a name.
        const NAMES: &[(&str, EventType)] = &[$(($name, EventType::$kind)),+];

        impl EventType {
            /// The lane in which it waits.
            pub fn lane(self) -> Lane {
                match self {
                    $(Self::$kind => Lane::$lane,)+
                    Self::Other => Lane::Chats,
                }
            }
        }
    };
}

event_types! {
    SessionStatus = "session.status" in Sessions;
    /// Messages of others.
    Message = "message" in Messages;
    /// All messages, own and others'.
    MessageAny = "message.any" in Messages;
    MessageReaction = "message.reaction" in Messages;
    /// One person has a message, read or played it.
    MessageAck = "message.ack" in Messages;
    /// The same for a member of a group.
    MessageAckGroup = "message.ack.group" in Messages;
    /// A message that can't be decrypted yet (WEBJS).
    MessageWaiting = "message.waiting" in Messages;
    /// Deleted for everyone.
    MessageRevoked = "message.revoked" in Messages;
    MessageEdited = "message.edited" in Messages;
    /// A voter's whole choice.
    PollVote = "poll.vote" in Messages;
    /// A vote that WAHA could not read.
    PollVoteFailed = "poll.vote.failed" in Messages;
    /// An answer to an invitation.
    EventResponse = "event.response" in Messages;
    /// An answer that WAHA could not read.
    EventResponseFailed = "event.response.failed" in Messages;
    ChatArchive = "chat.archive" in Chats;
    /// Online, typing and the like.
    PresenceUpdate = "presence.update" in Chats;
    CallReceived = "call.received" in Calls;
    CallAccepted = "call.accepted" in Calls;
    CallRejected = "call.rejected" in Calls;
    LabelUpsert = "label.upsert" in Chats;
    LabelDeleted = "label.deleted" in Chats;
    LabelChatAdded = "label.chat.added" in Chats;
    LabelChatDeleted = "label.chat.deleted" in Chats;
    /// The account joined a group.
    GroupJoin = "group.v2.join" in Chats;
    /// The account left a group.
    GroupLeave = "group.v2.leave" in Chats;
    GroupUpdate = "group.v2.update" in Chats;
    GroupParticipants = "group.v2.participants" in Chats;
    GroupJoinRequest = "group.v2.participants.join-request" in Chats;
    /// Deprecated form of `group.v2.join`.
    GroupJoinV1 = "group.join" in Chats;
    /// Deprecated form of `group.v2.leave`.
    GroupLeaveV1 = "group.leave" in Chats;
    /// Deprecated; the engine's own state.
    StateChange = "state.change" in Chats;
    /// Raw traffic of the engine.
    EngineEvent = "engine.event" in Chats;
}

impl EventType {
    /// Every type that has a name.
    pub fn named() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(_, kind)| *kind)
    }

    /// Every name that is known, for label sets that nobody outside can extend.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().copied().map(|(name, _)| name)
    }

    /// WAHA's name; "other" for what is not known.
    pub fn name(self) -> &'static str {
        NAMES.iter().copied().find(|(_, kind)| *kind == self).map_or("other", |(name, _)| name)
    }

    /// Reads WAHA's name.
    pub fn parse(name: &str) -> Self {
        NAMES
            .iter()
            .copied()
            .find(|(known, _)| *known == name)
            .map_or(Self::Other, |(_, kind)| kind)
    }
}
