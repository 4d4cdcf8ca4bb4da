//! Calls: `call.received`, `call.accepted`, `call.rejected` (also when nobody took it).

use super::body::Body;
use super::ids::id;
use super::{NormalizeError, Normalized, Rules, envelope};
use crate::change::{CallChange, CallDetails, CallKey, CallState, PersonKey, Register, Version};
use crate::waha::jid::ChatKind;
use crate::waha::time::time;
use crate::webhook::envelope::is_key_text;

/// The reason of a call that only ended: the caller gave up, or whoever had taken it hung up.
const TERMINATED: &str = "terminate";
/// Longest call id that fits its column.
const CALL_ID_CHARS_MAX: usize = 255;

/// Any of the three.
pub(super) fn call(
    body: &Body<'_>,
    rules: &Rules,
    state: CallState,
) -> Result<Normalized, NormalizeError> {
    let call_id = body.payload.at("id").text().filter(|id| is_key_text(id, CALL_ID_CHARS_MAX));
    let call_id = call_id.ok_or_else(|| body.missing("payload.id"))?;
    let details = details(body);
    let mut changes = envelope::changes(body, rules);
    if let Some(chat) = &details.chat {
        changes.chat(chat);
    }
    // Who calls a group has no chat that would make a contact.
    let caller = details.from.as_deref().and_then(|from| PersonKey::of(&body.session, from));
    if let Some(caller) = caller {
        changes.contacts.entry(caller).or_default();
    }
    let key = CallKey { session: body.session.clone(), call_id };
    *changes.call(&key) = change(body, details, state);
    Ok(Normalized::Changes(changes))
}

fn change(body: &Body<'_>, details: CallDetails, state: CallState) -> CallChange {
    let at = Some(time(body.payload.at("timestamp")).unwrap_or_else(|| body.at()));
    let is_video = body.payload.at("isVideo").flag().filter(|_| state == CallState::Received);
    let mut change = CallChange {
        state: Some(state),
        // The offer tells most; what the others tell is kept only where there was no offer.
        details: Some(Register::new(details_version(body, state, &details), details)),
        is_video: is_video.map(|is_video| Register::new(body.version, is_video)),
        ..CallChange::default()
    };
    match state {
        CallState::Received => change.received_at = at,
        CallState::Accepted => change.accepted_at = at,
        CallState::Rejected => {
            change.rejected_at = at;
            change.rejected_reason =
                reason(body).map(|it| Register::new(reason_version(body, &it), it));
        }
    }
    change
}

/// Why a call ended, such as `timeout` for one that rang out (GOWS); a rejection over WAHA's API says so
/// (WEBJS), others tell `reject`, which somebody did on purpose, from `terminate` (NOWEB, GOWS). NOWEB
/// tells nothing of a call that rang out, WPP nothing of how any ended.
fn reason(body: &Body<'_>) -> Option<String> {
    let data = body.data();
    if data.at("api").flag() == Some(true) {
        return Some("api".to_owned());
    }
    data.at_any(&["Reason", "reason"])
        .text()
        .or_else(|| data.path("Data.Attrs.reason").text())
        .or_else(|| data.path("Data.Tag").text())
        .or_else(|| data.at("status").text())
}

/// That a call ended says nothing of why, and is told after a decline, too: the decline stays.
fn reason_version(body: &Body<'_>, reason: &str) -> Version {
    if reason == TERMINATED { body.version.retold() } else { body.version }
}

fn details(body: &Body<'_>) -> CallDetails {
    let data = body.data();
    let from = id(body.payload.at("from"))
        .or_else(|| id(data.at_any(&["from", "From", "peerJid", "CallCreator"])));
    let group = id(data.at_any(&["groupJid", "GroupJID"]))
        .or_else(|| from.clone())
        .filter(|jid| ChatKind::of(jid) == ChatKind::Group);
    let chat = group.clone().or_else(|| from.clone());
    CallDetails {
        chat: chat.map(|chat_id| body.chat(chat_id)),
        is_group: body.payload.at("isGroup").flag() == Some(true) || group.is_some(),
        from,
        to: body.me(),
        group,
    }
}

/// One that lacks the caller or the account, which may not be known yet, is a poorer one.
fn details_version(body: &Body<'_>, state: CallState, details: &CallDetails) -> Version {
    let told = if state == CallState::Received { body.version } else { body.version.retold() };
    if details.from.is_some() && details.to.is_some() { told } else { told.poorer() }
}
