//! Acks: `message.ack` (direct; until 2025.12.1 groups too) and `message.ack.group`.
//!
//! What an ack means (`src/core/utils/acks.ts` and the receipt handlers of WAHA's session files):
//!
//! | `fromMe` | chat | ack | who did it | written |
//! | --- | --- | --- | --- | --- |
//! | true | direct | -1 to 2 | the server, the other side's phone | message status, wherever the message is (`own`) |
//! | true | direct | 3, 4 | the other side | the same, and `chat_reads` of the person who is named |
//! | true | group | 1 (server) | the server; no participant | message status |
//! | true | group | 1 to 4 | `participant` | message status, `waha_message_acks`; from 3 on `chat_reads` |
//! | false | any | 3, 4 | the own account on another device (GOWS) | message status, `chat_reads` of the account |
//! | false | any | below 3 | told with messages of others: they have arrived | message status |
//!
//! The status of a message only moves forward. In a group it is that of the member who is furthest:
//! WAHA never tells whether all have read. NOWEB reports what reached a member as 1 with a
//! `receiptTimestamp`: that is 2. An ack without a known number or name changes nothing.

use chrono::{DateTime, Utc};

use super::author::ME;
use super::body::Body;
use super::ids::{id, is_direct};
use super::{Ignored, NormalizeError, Normalized, Rules, envelope, message};
use crate::change::chat::USER_READER;
use crate::change::own::is_person;
use crate::change::{
    AnswerKey, Changes, ChatKey, MemberAckChange, MessageKey, MessageStatus, OwnMessageChange,
    Read, ReadKey, Register, Version, Witness,
};
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// `message.ack` and `message.ack.group`.
pub(super) fn ack(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let message_id = body.message_id()?;
    let chat = body.message_chat(&message_id)?;
    let Some(status) = member_status(body, &message_id, &chat) else {
        return Ok(Normalized::Ignored(Ignored::UnknownAck));
    };
    let mut changes = envelope::changes(body, rules);
    if body.payload.at("hasMedia").is_there() {
        // WEBJS acknowledges direct messages with the whole message.
        message::tell(&mut changes, body, &message_id, &chat, body.version.retold());
    }
    let key = MessageKey { chat, message_id: message_id.bare.clone() };
    changes.message(&key).status_reason = message::status_reason(body, Some(status));
    tell_status(&mut changes, body, &message_id, &key, status);
    if let Some(member) = member(body, &message_id, &key) {
        changes.ack_by(
            AnswerKey { message: key.clone(), author: member },
            member_ack(status, receipt_at(body)),
        );
    }
    if status >= MessageStatus::Read
        && let Some(reader) = reader(body, &message_id, &key)
        && !reader.starts_with(USER_READER)
    {
        let read_at = receipt_at(body);
        let version = Version::at(read_at.timestamp_millis(), body.webhook.key().hash());
        let read = Read { message_id: key.message_id, at: read_at };
        changes.read(ReadKey { chat: key.chat, reader }, Register::new(version, read));
    }
    Ok(Normalized::Changes(changes))
}

/// Says how far a message got: in direct chats whatever name of the chat the ack tells.
fn tell_status(
    changes: &mut Changes,
    body: &Body<'_>,
    message_id: &MessageId,
    key: &MessageKey,
    status: MessageStatus,
) {
    if body.from_me(message_id) && is_person(&key.chat) {
        let own =
            OwnMessageChange { status: Some(status), ..OwnMessageChange::new(Witness::Acked) };
        changes.own_message(key, own);
    } else {
        changes.message(key).status = Some(status);
    }
}

/// NOWEB tells a member's delivery receipt as SERVER though it means delivered to that member.
fn member_status(body: &Body<'_>, message_id: &MessageId, chat: &ChatKey) -> Option<MessageStatus> {
    let told = message::status(body, chat, body.from_me(message_id))?;
    let delivered = body.data().at("receipt").at("receiptTimestamp").is_there();
    Some(if told == MessageStatus::Sent && delivered { MessageStatus::Delivered } else { told })
}

fn reader(body: &Body<'_>, message_id: &MessageId, key: &MessageKey) -> Option<String> {
    if !body.from_me(message_id) {
        return Some(body.me().unwrap_or_else(|| ME.to_owned()));
    }
    member(body, message_id, key).or_else(|| is_direct(&key.chat).then(|| key.chat.chat_id.clone()))
}

/// The member of a group who acknowledged a message of the own account.
fn member(body: &Body<'_>, message_id: &MessageId, key: &MessageKey) -> Option<String> {
    let member = id(body.payload.at("participant")).filter(|member| !body.is_me(member));
    member.filter(|_| body.from_me(message_id) && !is_direct(&key.chat))
}

fn member_ack(status: MessageStatus, at: DateTime<Utc>) -> MemberAckChange {
    let mut ack = MemberAckChange { status: Some(status), ..MemberAckChange::default() };
    match status {
        MessageStatus::Delivered => ack.delivered_at = Some(at),
        MessageStatus::Read => ack.read_at = Some(at),
        MessageStatus::Played => ack.played_at = Some(at),
        MessageStatus::Pending | MessageStatus::Failed | MessageStatus::Sent => {}
    }
    ack
}

/// The receipt's own time (GOWS, NOWEB groups, WEBJS receipt tags), else the webhook's.
fn receipt_at(body: &Body<'_>) -> DateTime<Utc> {
    let data = body.data();
    let receipt = data.at("receipt");
    let told = time(receipt.at_any(&["playedTimestamp", "readTimestamp", "receiptTimestamp"]))
        .or_else(|| time(data.at("Timestamp")))
        .or_else(|| time(data.at("attrs").at("t")));
    body.ordering_time(told)
}
