//! `event.response` and `event.response.failed` (GOWS): answers to WhatsApp's invitations.
//!
//! The payload is a message of the one who answers; `eventCreationKey` names the invitation from
//! the answering side, so only its bare id is of use. A failed one is stored without an answer.

use super::body::Body;
use super::ids::bare_id;
use super::{NormalizeError, Normalized, Rules, author, envelope};
use crate::change::{AnswerKey, EventResponse, MessageKey, Register};
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// Longest answer that fits its column.
const RESPONSE_CHARS_MAX: usize = 32;

/// Either of the two.
pub(super) fn response(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let own = body.message_id()?;
    let chat = body.message_chat(&own)?;
    let target = body.payload.at("eventCreationKey").at("id").text();
    let target = target.and_then(|text| MessageId::parse(&text)).filter(bare_id);
    let target = target.ok_or_else(|| body.missing("payload.eventCreationKey.id"))?;
    let author = author::of(body, body.payload, &own, &chat);
    let answer = body.payload.at("eventResponse");
    let told_at = time(answer.at("timestampMs")).or_else(|| time(body.payload.at("timestamp")));
    let guests = answer.at("extraGuestCount").int();
    let response = EventResponse {
        jid: author.jid,
        response: answer.at("response").text().filter(|text| text.len() <= RESPONSE_CHARS_MAX),
        extra_guests: guests.and_then(|guests| i32::try_from(guests).ok()),
        at: body.ordering_time(told_at),
    };
    let message = MessageKey { chat, message_id: target.bare };
    let key = AnswerKey { message, author: author.key };
    let mut changes = envelope::changes(body, rules);
    changes.answer_event(key, Register::new(body.version_at(told_at), response));
    Ok(Normalized::Changes(changes))
}
