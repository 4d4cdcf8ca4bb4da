//! `message.reaction`: given, changed, or taken back (no text).

use super::body::Body;
use super::ids::{bare_id, id};
use super::{NormalizeError, Normalized, Rules, author, envelope};
use crate::change::{AnswerKey, MessageKey, Reaction, Register};
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// `message.reaction`. Its target is known by the bare id alone: the rest is told from the
/// reactor's view.
pub(super) fn reaction(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let told = body.payload.at("reaction");
    let target = told.at("messageId").text().and_then(|text| MessageId::parse(&text));
    let target =
        target.filter(bare_id).ok_or_else(|| body.missing("payload.reaction.messageId"))?;
    let own = body.payload.at("id").text().and_then(|text| MessageId::parse(&text));
    let own = own.unwrap_or_else(|| MessageId { participant: None, ..target.clone() });
    let chat = match own.chat.as_ref().or(target.chat.as_ref()) {
        Some(chat) => body.chat(chat.clone()),
        None => body.message_chat(&own)?,
    };
    // WEBJS tells the sender as `from`, and WPP empty texts, even in groups.
    let from = id(body.payload.at("from")).filter(|from| *from != chat.chat_id);
    let own = MessageId { participant: own.participant.or(from), ..own };
    let reactor = author::of(body, body.payload, &own, &chat);
    let told_at = time(body.payload.at("timestamp"));
    let reaction = Reaction {
        jid: reactor.jid,
        text: told.at("text").text(),
        at: body.ordering_time(told_at),
    };
    let mut changes = envelope::changes(body, rules);
    let message = MessageKey { chat, message_id: target.bare };
    let key = AnswerKey { message, author: reactor.key };
    changes.react(key, Register::new(body.version_at(told_at), reaction));
    Ok(Normalized::Changes(changes))
}
