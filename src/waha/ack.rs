//! Acks: how far a message got, as WAHA numbers it (its `src/structures/enums.dto.ts`).

use super::json::Node;
use crate::change::MessageStatus;

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
