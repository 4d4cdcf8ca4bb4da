//! Acks: how far a message got, as WAHA numbers it (its `src/structures/enums.dto.ts`).

use super::json::Node;

/// How far a message got, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageStatus {
    /// Not yet at WhatsApp's server.
    Pending,
    /// Could not be sent; a later success replaces it.
    Failed,
    /// At the server.
    Sent,
    /// On the receiver's phone.
    Delivered,
    /// Read.
    Read,
    /// A voice message or video was played.
    Played,
}

impl MessageStatus {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
        }
    }

    /// WAHA's number (`ack`).
    pub fn ack(self) -> i16 {
        match self {
            Self::Pending => 0,
            Self::Failed => -1,
            Self::Sent => 1,
            Self::Delivered => 2,
            Self::Read => 3,
            Self::Played => 4,
        }
    }

    /// Place in the order, from 0.
    pub fn rank(self) -> i16 {
        self as i16
    }

    /// The state at a place in the order; none below 0.
    pub fn of_rank(rank: i16) -> Option<Self> {
        let all =
            [Self::Pending, Self::Failed, Self::Sent, Self::Delivered, Self::Read, Self::Played];
        usize::try_from(rank).ok().and_then(|rank| all.get(rank).copied())
    }
}

/// The status that `ack` tells, else `ackName`; none when unknown (null, absent, out of range).
pub fn status(payload: Node<'_>) -> Option<MessageStatus> {
    match payload.at("ack").int() {
        Some(number) => by_number(number),
        None => by_name(payload.at("ackName").str()?),
    }
}

fn by_number(ack: i64) -> Option<MessageStatus> {
    match ack {
        -1 => Some(MessageStatus::Failed),
        0 => Some(MessageStatus::Pending),
        1 => Some(MessageStatus::Sent),
        2 => Some(MessageStatus::Delivered),
        3 => Some(MessageStatus::Read),
        4 => Some(MessageStatus::Played),
        _ => None,
    }
}

fn by_name(name: &str) -> Option<MessageStatus> {
    match name {
        "ERROR" => Some(MessageStatus::Failed),
        "PENDING" => Some(MessageStatus::Pending),
        "SERVER" => Some(MessageStatus::Sent),
        "DEVICE" => Some(MessageStatus::Delivered),
        "READ" => Some(MessageStatus::Read),
        "PLAYED" => Some(MessageStatus::Played),
        _ => None,
    }
}
