//! Acks: `message.ack` (direct; until 2025.12.1 groups too) and `message.ack.group`.
//!
//! What an ack means:
//! - `fromMe` true: our message got this far. From READ on, the participant, else the counterpart,
//!   has read the chat up to it.
//! - `fromMe` false (GOWS): the own account has read somebody's message on another device.

use chrono::{DateTime, Utc};

use super::body::{Body, id, is_direct};
use super::{Ignored, NormalizeError, Normalized, Rules, message};
use crate::change::{MessageKey, MessageStatus, Read, ReadKey, Register, Version};
use crate::waha::ack::status;
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// The reader when the own account has read and the envelope does not name it.
const UNKNOWN_ME: &str = "me";

/// `message.ack` and `message.ack.group`.
pub(super) fn ack(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let message_id = body.message_id()?;
    let chat = body.message_chat(&message_id)?;
    let Some(status) = member_status(body) else {
        return Ok(Normalized::Ignored(Ignored::UnknownAck));
    };
    let mut changes = body.changes(rules);
    if body.payload.at("hasMedia").is_there() {
        // WEBJS acknowledges direct messages with the whole message.
        message::tell(&mut changes, body, &message_id, &chat, body.version.retold());
    }
    let key = MessageKey { chat, message_id: message_id.bare.clone() };
    changes.message(&key).status = Some(status);
    if status >= MessageStatus::Read
        && let Some(reader) = reader(body, &message_id, &key)
    {
        let read_at = read_at(body);
        let version = Version::at(read_at.timestamp_millis(), body.webhook.key().hash());
        let read = Read { message_id: key.message_id, at: read_at };
        changes.read(ReadKey { chat: key.chat, reader }, Register::new(version, read));
    }
    Ok(Normalized::Changes(changes))
}

/// NOWEB tells a member's delivery receipt as SERVER though it means delivered to that member.
fn member_status(body: &Body<'_>) -> Option<MessageStatus> {
    let told = status(body.payload)?;
    let delivered = body.data().at("receipt").at("receiptTimestamp").is_there();
    Some(if told == MessageStatus::Sent && delivered { MessageStatus::Delivered } else { told })
}

fn reader(body: &Body<'_>, message_id: &MessageId, key: &MessageKey) -> Option<String> {
    if !body.from_me(message_id) {
        return Some(body.me().unwrap_or_else(|| UNKNOWN_ME.to_owned()));
    }
    match id(body.payload.at("participant")) {
        Some(participant) if !is_direct(&key.chat) => Some(participant),
        Some(_) | None => is_direct(&key.chat).then(|| key.chat.chat_id.clone()),
    }
}

/// The receipt's own time (GOWS, NOWEB groups, WEBJS receipt tags), else the webhook's.
fn read_at(body: &Body<'_>) -> DateTime<Utc> {
    let data = body.data();
    let receipt = data.at("receipt");
    let told = time(receipt.at_any(&["playedTimestamp", "readTimestamp"]))
        .or_else(|| time(data.at("Timestamp")))
        .or_else(|| time(data.at("attrs").at("t")));
    body.ordering_time(told)
}
