//! Calls: `call.received`, `call.accepted`, `call.rejected` (also when nobody took it).

use super::body::{Body, id};
use super::{NormalizeError, Normalized, Rules};
use crate::change::{CallChange, CallDetails, CallKey, CallState, Register, Version};
use crate::waha::jid::ChatKind;
use crate::waha::time::time;
use crate::webhook::EventType;
use crate::webhook::envelope::is_key_text;

/// Longest call id that fits its column.
const CALL_ID_CHARS_MAX: usize = 255;

/// Any of the three.
pub(super) fn call(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let call_id = body.payload.at("id").text().filter(|id| is_key_text(id, CALL_ID_CHARS_MAX));
    let call_id = call_id.ok_or_else(|| body.missing("payload.id"))?;
    let details = details(body);
    let mut changes = body.changes(rules);
    if let Some(chat) = &details.chat {
        changes.chat(chat);
    }
    let key = CallKey { session: body.session.clone(), call_id };
    *changes.call(&key) = change(body, details);
    Ok(Normalized::Changes(changes))
}

fn change(body: &Body<'_>, details: CallDetails) -> CallChange {
    let state = state(body.webhook.event_type());
    let at = Some(time(body.payload.at("timestamp")).unwrap_or_else(|| body.at()));
    let is_video = body.payload.at("isVideo").flag().filter(|_| state == CallState::Received);
    let mut change = CallChange {
        state: Some(state),
        // The offer tells most; what the others tell is kept only where there was no offer.
        details: Some(Register::new(details_version(body, state), details)),
        is_video: is_video.map(|is_video| Register::new(body.version, is_video)),
        ..CallChange::default()
    };
    match state {
        CallState::Received => change.received_at = at,
        CallState::Accepted => change.accepted_at = at,
        CallState::Rejected => change.rejected_at = at,
    }
    change
}

fn state(event_type: EventType) -> CallState {
    if event_type == EventType::CallAccepted {
        CallState::Accepted
    } else if event_type == EventType::CallRejected {
        CallState::Rejected
    } else {
        CallState::Received
    }
}

fn details(body: &Body<'_>) -> CallDetails {
    let from = id(body.payload.at("from")).or_else(|| id(body.data().at_any(&["from", "From"])));
    let group = id(body.data().at_any(&["groupJid", "GroupJID"]))
        .or_else(|| from.clone())
        .filter(|jid| ChatKind::of(jid) == ChatKind::Group);
    let chat = group.clone().or_else(|| from.clone());
    CallDetails {
        chat: chat.map(|chat_id| body.chat(chat_id)),
        is_group: body.payload.at("isGroup").flag().unwrap_or(group.is_some()),
        from,
        to: body.me(),
        group,
    }
}

fn details_version(body: &Body<'_>, state: CallState) -> Version {
    if state == CallState::Received { body.version } else { body.version.retold() }
}
