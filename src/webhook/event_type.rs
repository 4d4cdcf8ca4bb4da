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
    /// `message.ack`: one person has a message, read or played it.
    MessageAck,
    /// `message.ack.group`: the same for a member of a group.
    MessageAckGroup,
    /// `call.received`
    CallReceived,
    /// `call.accepted`
    CallAccepted,
    /// `call.rejected`
    CallRejected,
    /// Any other name, kept in the webhook's key.
    Other,
}

impl EventType {
    /// Reads WAHA's name.
    pub fn parse(name: &str) -> Self {
        match name {
            "session.status" => Self::SessionStatus,
            "message" => Self::Message,
            "message.any" => Self::MessageAny,
            "message.ack" => Self::MessageAck,
            "message.ack.group" => Self::MessageAckGroup,
            "call.received" => Self::CallReceived,
            "call.accepted" => Self::CallAccepted,
            "call.rejected" => Self::CallRejected,
            _ => Self::Other,
        }
    }
}
