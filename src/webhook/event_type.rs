//! WAHA's event types (enum `WAHAEvents` of its `src/structures/enums.dto.ts`), matched in one place.

/// What happened, as WAHA names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// `session.status`
    SessionStatus,
    /// `message`: messages of others.
    Message,
    /// `message.any`: all messages, own and others'.
    MessageAny,
    /// `message.reaction`
    MessageReaction,
    /// `message.ack`: one person has a message, read or played it.
    MessageAck,
    /// `message.ack.group`: the same for a member of a group.
    MessageAckGroup,
    /// `message.waiting`: a message that can't be decrypted yet (WEBJS).
    MessageWaiting,
    /// `message.revoked`: deleted for everyone.
    MessageRevoked,
    /// `message.edited`
    MessageEdited,
    /// `poll.vote`: a voter's whole choice.
    PollVote,
    /// `poll.vote.failed`: a vote that WAHA could not read.
    PollVoteFailed,
    /// `event.response`: an answer to an invitation.
    EventResponse,
    /// `event.response.failed`: an answer that WAHA could not read.
    EventResponseFailed,
    /// `chat.archive`
    ChatArchive,
    /// `presence.update`: online, typing and the like.
    PresenceUpdate,
    /// `call.received`
    CallReceived,
    /// `call.accepted`
    CallAccepted,
    /// `call.rejected`
    CallRejected,
    /// `label.upsert`
    LabelUpsert,
    /// `label.deleted`
    LabelDeleted,
    /// `label.chat.added`
    LabelChatAdded,
    /// `label.chat.deleted`
    LabelChatDeleted,
    /// `group.v2.join`: the account joined a group.
    GroupJoin,
    /// `group.v2.leave`: the account left a group.
    GroupLeave,
    /// `group.v2.update`
    GroupUpdate,
    /// `group.v2.participants`
    GroupParticipants,
    /// `group.v2.participants.join-request`
    GroupJoinRequest,
    /// `group.join`: deprecated form of `group.v2.join`.
    GroupJoinV1,
    /// `group.leave`: deprecated form of `group.v2.leave`.
    GroupLeaveV1,
    /// `state.change`: deprecated; the engine's own state.
    StateChange,
    /// `engine.event`: raw traffic of the engine.
    EngineEvent,
    /// Any other name, kept in the webhook's key.
    Other,
}

/// Every type that has a name.
const NAMES: [(&str, EventType); 31] = [
    ("session.status", EventType::SessionStatus),
    ("message", EventType::Message),
    ("message.any", EventType::MessageAny),
    ("message.reaction", EventType::MessageReaction),
    ("message.ack", EventType::MessageAck),
    ("message.ack.group", EventType::MessageAckGroup),
    ("message.waiting", EventType::MessageWaiting),
    ("message.revoked", EventType::MessageRevoked),
    ("message.edited", EventType::MessageEdited),
    ("poll.vote", EventType::PollVote),
    ("poll.vote.failed", EventType::PollVoteFailed),
    ("event.response", EventType::EventResponse),
    ("event.response.failed", EventType::EventResponseFailed),
    ("chat.archive", EventType::ChatArchive),
    ("presence.update", EventType::PresenceUpdate),
    ("call.received", EventType::CallReceived),
    ("call.accepted", EventType::CallAccepted),
    ("call.rejected", EventType::CallRejected),
    ("label.upsert", EventType::LabelUpsert),
    ("label.deleted", EventType::LabelDeleted),
    ("label.chat.added", EventType::LabelChatAdded),
    ("label.chat.deleted", EventType::LabelChatDeleted),
    ("group.v2.join", EventType::GroupJoin),
    ("group.v2.leave", EventType::GroupLeave),
    ("group.v2.update", EventType::GroupUpdate),
    ("group.v2.participants", EventType::GroupParticipants),
    ("group.v2.participants.join-request", EventType::GroupJoinRequest),
    ("group.join", EventType::GroupJoinV1),
    ("group.leave", EventType::GroupLeaveV1),
    ("state.change", EventType::StateChange),
    ("engine.event", EventType::EngineEvent),
];

impl EventType {
    /// Every name that is known, for label sets that nobody outside can extend.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().map(|(name, _)| name)
    }

    /// WAHA's name; "other" for what is not known.
    pub fn name(self) -> &'static str {
        NAMES.into_iter().find(|(_, kind)| *kind == self).map_or("other", |(name, _)| name)
    }

    /// Reads WAHA's name.
    pub fn parse(name: &str) -> Self {
        NAMES.into_iter().find(|(known, _)| *known == name).map_or(Self::Other, |(_, kind)| kind)
    }
}
