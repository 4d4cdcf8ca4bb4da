//! WAHA's event types (enum `WAHAEvents` of its `src/structures/enums.dto.ts`), matched in one place.

/// Types and their names, each said once.
macro_rules! event_types {
    ($($(#[$meaning:meta])* $kind:ident = $name:literal;)+) => {
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
    };
}

event_types! {
    SessionStatus = "session.status";
    /// Messages of others.
    Message = "message";
    /// All messages, own and others'.
    MessageAny = "message.any";
    MessageReaction = "message.reaction";
    /// One person has a message, read or played it.
    MessageAck = "message.ack";
    /// The same for a member of a group.
    MessageAckGroup = "message.ack.group";
    /// A message that can't be decrypted yet (WEBJS).
    MessageWaiting = "message.waiting";
    /// Deleted for everyone.
    MessageRevoked = "message.revoked";
    MessageEdited = "message.edited";
    /// A voter's whole choice.
    PollVote = "poll.vote";
    /// A vote that WAHA could not read.
    PollVoteFailed = "poll.vote.failed";
    /// An answer to an invitation.
    EventResponse = "event.response";
    /// An answer that WAHA could not read.
    EventResponseFailed = "event.response.failed";
    ChatArchive = "chat.archive";
    /// Online, typing and the like.
    PresenceUpdate = "presence.update";
    CallReceived = "call.received";
    CallAccepted = "call.accepted";
    CallRejected = "call.rejected";
    LabelUpsert = "label.upsert";
    LabelDeleted = "label.deleted";
    LabelChatAdded = "label.chat.added";
    LabelChatDeleted = "label.chat.deleted";
    /// The account joined a group.
    GroupJoin = "group.v2.join";
    /// The account left a group.
    GroupLeave = "group.v2.leave";
    GroupUpdate = "group.v2.update";
    GroupParticipants = "group.v2.participants";
    GroupJoinRequest = "group.v2.participants.join-request";
    /// Deprecated form of `group.v2.join`.
    GroupJoinV1 = "group.join";
    /// Deprecated form of `group.v2.leave`.
    GroupLeaveV1 = "group.leave";
    /// Deprecated; the engine's own state.
    StateChange = "state.change";
    /// Raw traffic of the engine.
    EngineEvent = "engine.event";
}

impl EventType {
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
