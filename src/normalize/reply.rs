//! The message that a message answers.

use super::ids::id;
use super::text;
use crate::change::Reply;
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;

/// What WAHA says of the answered message, else what the engine says.
pub(super) fn of(told: Node<'_>, context: Node<'_>) -> Option<Reply> {
    let Some(mut reply) = told_reply(told) else { return quoted(context) };
    if reply.text.is_none() {
        let same = quoted(context).filter(|quoted| quoted.message_id == reply.message_id);
        reply.text = same.and_then(|quoted| quoted.text);
    }
    Some(reply)
}

/// The quoted message; WPP names it by its serialized id, the others by its bare one.
fn told_reply(node: Node<'_>) -> Option<Reply> {
    let message_id = MessageId::parse(&node.at("id").text()?)?;
    Some(Reply {
        message_id: message_id.bare,
        sender: id(node.at("participant")).or(message_id.participant),
        text: node.at("body").text(),
    })
}

/// The quoted message as the engine tells it, where WAHA (before 2024) says nothing of it.
fn quoted(context: Node<'_>) -> Option<Reply> {
    let message_id = context.at_any(&["stanzaId", "stanzaID", "quotedStanzaID"]).text()?;
    let message = context.at_any(&["quotedMessage", "quotedMsg"]);
    Some(Reply {
        message_id: MessageId::parse(&message_id)?.bare,
        sender: id(context.at_any(&["quotedParticipant", "participant"])),
        text: text::of_message(message).or_else(|| message.at_any(&["body", "caption"]).text()),
    })
}
