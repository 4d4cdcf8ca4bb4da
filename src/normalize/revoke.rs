//! `message.revoked`: deleted for everyone, by its author or by an admin of the group.
//!
//! `after` is the act of revoking: a message in WEBJS, NOWEB and GOWS, a key in WPP. `before` is not
//! used: it is absent or a key in three engines, and in WEBJS its id can be that of the act (WAHA
//! issue 898). The content is kept; that it was revoked stays so whatever is told later.

use super::author::Author;
use super::body::Body;
use super::ids::{bare_id, id};
use super::{NormalizeError, Normalized, Rules, author, envelope};
use crate::change::{ChatKey, MessageKey, Revocation, RevocationKey, Version};
use crate::waha::json::Node;
use crate::waha::message_id::MessageId;
use crate::waha::time::time;

/// How whatsmeow marks what only an admin can send; WhatsApp's server checks that.
const ADMIN_REVOKE: &str = "8";

/// `message.revoked`.
pub(super) fn revoked(body: &Body<'_>, rules: &Rules) -> Result<Normalized, NormalizeError> {
    let (after, before) = (body.payload.at("after"), body.payload.at("before"));
    let act = act_id(body, after);
    let message_id = target(body, after).ok_or_else(|| body.missing("payload.revokedMessageId"))?;
    let chat = chat(body, [after, before], act.as_ref())
        .ok_or_else(|| body.missing("payload.after.id"))?;
    let by = actor(body, after, act, &chat);
    let at = body.ordering_time(time(after.at("timestamp")));
    let revocation = Revocation {
        version: Version::at(at.timestamp_millis(), body.webhook.key().hash()),
        at,
        by: by.jid.unwrap_or_else(|| by.key.clone()),
        is_verified: is_verified(body, after),
    };
    let message = MessageKey { chat, message_id };
    let mut changes = envelope::changes(body, rules);
    changes.revoke(RevocationKey { message, author: by.key }, revocation);
    Ok(Normalized::Changes(changes))
}

/// The bare id of what was revoked; WEBJS may lack it, then the raw act names it. In WPP `before`
/// is the target's key.
fn target(body: &Body<'_>, after: Node<'_>) -> Option<String> {
    let before = body.payload.at("before");
    let key = if before.at("remoteJid").is_there() { before } else { after };
    let told = body.payload.at("revokedMessageId").text();
    let told = told.or_else(|| after.path("_data.protocolMessageKey.id").text());
    let told = told.or_else(|| key.at("id").text().filter(|_| before.at("remoteJid").is_there()));
    told.and_then(|text| MessageId::parse(&text)).filter(bare_id).map(|target| target.bare)
}

/// The id of the act: WPP tells it whole only in its raw form.
fn act_id(body: &Body<'_>, after: Node<'_>) -> Option<MessageId> {
    let whole = |node: Node<'_>| node.text().and_then(|text| MessageId::parse(&text));
    let told = whole(after.at("id")).filter(|act| act.chat.is_some());
    told.or_else(|| whole(body.data().at("id"))).or_else(|| whole(after.at("id")))
}

/// The chat: in the act's id, in the target's, or in the keys of WPP.
fn chat(body: &Body<'_>, nodes: [Node<'_>; 2], act: Option<&MessageId>) -> Option<ChatKey> {
    let of_id = |node: Node<'_>| MessageId::parse(&node.at("id").text()?)?.chat;
    act.and_then(|act| act.chat.clone())
        .or_else(|| nodes.into_iter().find_map(of_id))
        .or_else(|| nodes.into_iter().find_map(|node| id(node.at("remoteJid"))))
        .or_else(|| id(nodes[0].at("from")))
        .map(|chat_id| body.chat(chat_id))
}

fn actor(body: &Body<'_>, after: Node<'_>, act: Option<MessageId>, chat: &ChatKey) -> Author {
    let participant = id(after.at("participant"))
        .or_else(|| act.as_ref().and_then(|act| act.participant.clone()))
        .or_else(|| id(body.data().at("author")))
        .or_else(|| id(after.at("_data").at("author")));
    let from_me = after.at("fromMe").flag().or(act.and_then(|act| act.from_me));
    author::known(body, participant, from_me.unwrap_or(false), chat)
}

/// WEBJS and WPP report what WhatsApp's own client did, and that obeys only who may revoke. NOWEB
/// passes nothing on that tells an admin from somebody who claims to be one.
pub(super) fn is_verified(body: &Body<'_>, after: Node<'_>) -> bool {
    let info = [after.at("_data"), body.data()].map(|data| data.at("Info").at("Edit").text());
    body.is_browser() || info.into_iter().flatten().any(|edit| edit == ADMIN_REVOKE)
}
