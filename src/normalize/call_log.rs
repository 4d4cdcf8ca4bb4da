//! Entries of calls in a chat: they complete `waha_calls` with outcome and length, which no `call.*` tells.
//!
//! Such an entry has no call id but that of its message, which is the call's. A call of which only the
//! entry is told becomes a row by it.

use super::body::Body;
use super::fields::pick;
use super::kind::Kind;
use crate::change::{
    AnswerKey, CallChange, CallDetails, CallKey, CallState, Changes, ChatKey, Register,
};
use crate::waha::jid::ChatKind;
use crate::waha::json::Node;

/// Tells the call of a message that is the entry of one.
pub(super) fn tell(changes: &mut Changes, body: &Body<'_>, key: &AnswerKey, kind: &Kind<'_>) {
    if kind.name != "call_log" {
        return;
    }
    let told = pick(kind.form, kind.fields);
    let outcome = told.get("outcome").and_then(|it| it.as_str()).map(str::to_lowercase);
    let seconds = told.get("seconds").and_then(serde_json::Value::as_i64);
    let is_own = body.payload.at("fromMe").flag() == Some(true);
    let version = body.version;
    let call = CallKey { session: body.session.clone(), call_id: key.message.message_id.clone() };
    *changes.call(&call) = CallChange {
        state: outcome.as_deref().filter(|_| !is_own).and_then(state),
        details: Some(Register::new(version.retold(), details(body, &key.message.chat, is_own))),
        is_video: is_video(kind.form).map(|is| Register::new(version.retold(), is)),
        outcome: outcome.map(|it| Register::new(version, it)),
        duration_s: seconds
            .and_then(|seconds| i32::try_from(seconds).ok())
            .map(|seconds| Register::new(version, seconds)),
        ..CallChange::default()
    };
}

/// How far a call to the account got, by its outcome.
fn state(outcome: &str) -> Option<CallState> {
    match outcome {
        "connected" | "accepted_elsewhere" | "ongoing" => Some(CallState::Accepted),
        "missed" | "failed" | "rejected" | "silenced_by_dnd" | "silenced_unknown_caller" => {
            Some(CallState::Rejected)
        }
        _ => None,
    }
}

fn details(body: &Body<'_>, chat: &ChatKey, is_own: bool) -> CallDetails {
    let is_group = ChatKind::of(&chat.chat_id) == ChatKind::Group;
    let other = Some(chat.chat_id.clone()).filter(|_| !is_group);
    let (from, to) = if is_own { (body.me(), other) } else { (other, body.me()) };
    CallDetails {
        chat: Some(chat.clone()),
        from,
        to,
        group: Some(chat.chat_id.clone()).filter(|_| is_group),
        is_group,
    }
}

fn is_video(form: Node<'_>) -> Option<bool> {
    form.at_any(&["isVideo", "isVideoCall"]).flag()
}
