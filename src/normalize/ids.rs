//! Reads what any webhook may hold: ids that fit their columns, and the engine's own form.

use crate::change::ChatKey;
use crate::waha::jid::{ChatKind, chat_form};
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;
use crate::webhook::envelope::is_key_text;

/// Longest id of a chat, person, message or call that fits its column.
pub(super) const ID_CHARS_MAX: usize = 255;

/// The id of a chat or person in WAHA's form, if it is there and fits its column.
pub(super) fn id(node: Node<'_>) -> Option<String> {
    let text = node.text().or_else(|| node.at("_serialized").text())?;
    Some(chat_form(&text)).filter(|id| is_key_text(id, ID_CHARS_MAX))
}

/// Whether a message's bare id fits its column.
pub(super) fn bare_id(id: &MessageId) -> bool {
    is_key_text(&id.bare, ID_CHARS_MAX)
}

/// Whether a chat has one person on the other side.
pub(super) fn is_direct(chat: &ChatKey) -> bool {
    ChatKind::of(&chat.chat_id) == ChatKind::Person
}

/// The engine's own form of what happened, of a payload; WPP tells some in a list.
pub(super) fn engine_data(payload: Node<'_>) -> Node<'_> {
    payload.at("_data").first()
}
