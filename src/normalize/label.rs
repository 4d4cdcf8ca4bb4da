//! Labels: `label.upsert`, `label.deleted`, `label.chat.added`, `label.chat.deleted`.

use super::body::Body;
use super::ids::id;
use super::{NormalizeError, Normalized, Rules, envelope};
use crate::change::{Changes, ChatLabelKey, LabelKey, LabelLook, Register, Version};
use crate::waha::json::Node;
use crate::webhook::EventType;
use crate::webhook::envelope::is_key_text;

/// Longest label id that fits its column.
const LABEL_ID_CHARS_MAX: usize = 255;

/// `label.upsert` and `label.deleted`.
pub(super) fn label(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let label_id = label_id(body, body.payload.at("id"), "payload.id")?;
    let deleted = body.webhook.event_type() == EventType::LabelDeleted;
    let mut changes = envelope::changes(body, rules);
    // A deleted label may be told without its name, which then stays what it was.
    let version = if deleted { body.version.retold() } else { body.version };
    tell_look(&mut changes, body, &label_id, body.payload, version);
    let key = LabelKey { session: body.session.clone(), label_id };
    changes.label(&key).deleted = Some(Register::new(body.version, deleted));
    Ok(Normalized::Changes(changes))
}

/// `label.chat.added` and `label.chat.deleted`.
pub(super) fn on_chat(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let label_id = label_id(body, body.payload.at("labelId"), "payload.labelId")?;
    let chat_id = id(body.payload.at("chatId")).ok_or_else(|| body.missing("payload.chatId"))?;
    let is_set = body.webhook.event_type() == EventType::LabelChatAdded;
    let mut changes = envelope::changes(body, rules);
    tell_look(&mut changes, body, &label_id, body.payload.at("label"), body.version.retold());
    let chat = body.chat(chat_id);
    changes.chat(&chat);
    changes.label(&LabelKey { session: body.session.clone(), label_id: label_id.clone() });
    changes
        .chat_labels
        .insert(ChatLabelKey { chat, label_id }, Register::new(body.version, is_set));
    Ok(Normalized::Changes(changes))
}

fn label_id(
    body: &Body<'_>,
    node: Node<'_>,
    field: &'static str,
) -> Result<String, NormalizeError> {
    let label_id = node.text().filter(|id| is_key_text(id, LABEL_ID_CHARS_MAX));
    label_id.ok_or_else(|| body.missing(field))
}

fn tell_look(
    changes: &mut Changes,
    body: &Body<'_>,
    label_id: &str,
    label: Node<'_>,
    version: Version,
) {
    let look = LabelLook {
        name: label.at("name").text(),
        color: label.at("color").int().and_then(|color| i32::try_from(color).ok()),
        color_hex: label.at("colorHex").text(),
    };
    if look.name.is_some() {
        let key = LabelKey { session: body.session.clone(), label_id: label_id.to_owned() };
        // A telling without the colour is a poorer one.
        let version = if look.color.is_some() { version } else { version.poorer() };
        changes.label(&key).look = Some(Register::new(version, look));
    }
}
