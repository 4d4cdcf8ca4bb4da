//! `message.edited`: the message anew, with its new text.

use chrono::{DateTime, Utc};

use super::body::Body;
use super::ids::bare_id;
use super::{NormalizeError, Normalized, Rules, author, envelope};
use crate::change::{Edit, EditKey, MessageKey, Register};
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// `message.edited`. NOWEB and GOWS tell it under the id and time of the edit, WEBJS under those of
/// the message, WPP under either id.
pub(super) fn edited(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let own = body.message_id()?;
    let chat = body.message_chat(&own)?;
    let target = body.payload.at("editedMessageId").text();
    let target = target.and_then(|text| MessageId::parse(&text)).filter(bare_id);
    let message_id = target.map_or_else(|| own.bare.clone(), |target| target.bare);
    let edit =
        Edit { text: body.payload.at("body").text(), at: edited_at(body, &own, &message_id) };
    // Encrypted edits can't be read by some versions: a readable telling of the same edit wins.
    let version = if edit.text.is_some() { body.version } else { body.version.retold() };
    let key = EditKey {
        author: author::of(body, body.payload, &own, &chat).key,
        edit_id: edit_id(body, own, &message_id),
        message: MessageKey { chat, message_id },
    };
    let mut changes = envelope::changes(body, rules);
    changes.edit(key, Register::new(version, edit));
    Ok(Normalized::Changes(changes))
}

/// The id of the edit, if the engine tells it; else that of the webhook, which WEBJS needs.
fn edit_id(body: &Body<'_>, own: MessageId, message_id: &str) -> String {
    let latest = body.data().path("message.latestEditMsgKey.id").text();
    let latest = latest.and_then(|text| MessageId::parse(&text)).filter(bare_id);
    match latest {
        Some(latest) => latest.bare,
        None if own.bare != message_id => own.bare,
        None => body.webhook.key().id.chars().take(EDIT_ID_CHARS_MAX).collect(),
    }
}

/// Longest webhook id that is kept whole as the id of an edit.
const EDIT_ID_CHARS_MAX: usize = 255;

/// The payload's time is the message's own in WEBJS and WPP; then the webhook's is nearest.
fn edited_at(body: &Body<'_>, own: &MessageId, message_id: &str) -> DateTime<Utc> {
    let told = time(body.data().path("message.latestEditSenderTimestampMs"));
    let is_action = own.bare != message_id && !body.is_browser();
    let told = told.or_else(|| time(body.payload.at("timestamp")).filter(|_| is_action));
    body.ordering_time(told)
}
