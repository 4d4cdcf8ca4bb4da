//! Chats: `chat.archive` (WEBJS only).

use super::body::Body;
use super::ids::id;
use super::{NormalizeError, Normalized, Rules, envelope};
use crate::change::Register;

/// `chat.archive`: archived or not any more. Its timestamp is the chat's last activity.
pub(super) fn archive(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let chat_id = id(body.payload.at("id")).ok_or_else(|| body.missing("payload.id"))?;
    let archived = body.payload.at("archived").flag();
    let archived = archived.ok_or_else(|| body.missing("payload.archived"))?;
    let mut changes = envelope::changes(body, rules);
    changes.chat(&body.chat(chat_id)).archived = Some(Register::new(body.version, archived));
    Ok(Normalized::Changes(changes))
}
