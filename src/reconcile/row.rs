//! A message of WAHA's list as the webhook that should have told it. Pure.
//!
//! The message stands in the body as WAHA wrote it, below an envelope that says what a webhook's would. Its id is a
//! hash of what it tells, so the same message, listed again, is the same webhook; its time is the message's own.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::change::{Changes, MessageKey, MessageStatus};
use crate::normalize::{Normalized, Rules, normalize};
use crate::store::operations::reconciliations::ListedMessage;
use crate::waha::json::{self, Node};
use crate::waha::message_id::MessageId;
use crate::waha::time::time;
use crate::webhook::{BACKFILL_PREFIX, Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// What a list of messages tells: the same as this event.
const EVENT_TYPE: &str = "message.any";
/// Bytes of the hash that an id has.
const HASH_BYTES: usize = 20;
/// Bytes that are kept of a row to know it again: a list may have a million.
const ROW_ID_BYTES: usize = 16;

/// By what a row is known again within a window. Of what WAHA lists without an id that can be read, its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowId([u8; ROW_ID_BYTES]);

impl RowId {
    fn of(parts: &[&str]) -> Self {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update(part);
            sha.update([0]);
        }
        let mut id = [0; ROW_ID_BYTES];
        id.copy_from_slice(&sha.finalize()[..ROW_ID_BYTES]);
        Self(id)
    }
}

/// Whose list it is.
#[derive(Clone, Debug, Default)]
pub(super) struct ListOwner {
    pub(super) source: String,
    pub(super) session: String,
    pub(super) engine: String,
    /// The account, as JSON text.
    pub(super) me: Option<String>,
}

/// A message of the list, read.
#[derive(Debug)]
pub(super) struct ListedRow {
    /// Of its chat and bare id, as written there.
    pub(super) id: RowId,
    /// When it was sent, in Unix ms; none if that is not told.
    pub(super) at_ms: Option<i64>,
    /// What it tells; none if it is no message, but acts on one or can't be read.
    pub(super) told: Option<ToldRow>,
    /// Whether it can't be read.
    pub(super) is_unreadable: bool,
}

/// What a message of the list tells.
#[derive(Debug)]
pub(super) struct ToldRow {
    pub(super) webhook: Webhook,
    pub(super) changes: Changes,
    pub(super) message: ListedMessage,
    /// Whether nobody wrote it.
    pub(super) is_notice: bool,
    /// Whether it tells only that there is a message.
    pub(super) is_placeholder: bool,
    /// How far an own message got.
    pub(super) status: Option<MessageStatus>,
}

/// Reads a message of the list; none if it is nothing at all.
pub(super) fn read_row(
    row: &RawValue,
    owner: &ListOwner,
    now_ms: i64,
    rules: &Rules,
) -> Option<ListedRow> {
    let text = with_own_time(row.get());
    let text = text.as_deref().unwrap_or(row.get());
    let parsed = json::parse(text).ok()?;
    let payload = Node::from(&parsed);
    let at_ms = time(payload.at("timestamp")).map(|at| at.timestamp_millis());
    let Some(message_id) = payload.at("id").text().and_then(|id| MessageId::parse(&id)) else {
        let is_unreadable = payload.value().is_some_and(|value| !value.is_null());
        let id = RowId::of(&[text]);
        return is_unreadable.then_some(ListedRow { id, at_ms, told: None, is_unreadable });
    };
    let chat = message_id.chat.clone().or_else(|| payload.at("from").text()).unwrap_or_default();
    let webhook = webhook(text, payload, owner, at_ms.unwrap_or(now_ms), now_ms);
    let id = RowId::of(&[&chat, &message_id.bare]);
    let normalized = normalize(&webhook, rules);
    let is_unreadable = normalized.is_err();
    let told = match normalized {
        Ok(Normalized::Changes(changes)) => told(webhook, changes),
        Ok(Normalized::Ignored(_)) | Err(_) => None,
    };
    Some(ListedRow { id, at_ms, told, is_unreadable })
}

/// NOWEB before 2026.7.1 answers with the time of the request for own messages of its history; the engine's form has
/// the right one.
fn with_own_time(text: &str) -> Option<String> {
    let parsed = json::parse(text).ok()?;
    let row = Node::from(&parsed);
    let told = row.at("_data").at("messageTimestamp").int().filter(|at| *at > 0)?;
    if row.at("fromMe").flag() != Some(true) || row.at("timestamp").int() == Some(told) {
        return None;
    }
    let mut value: serde_json::Value = serde_json::from_str(text).ok()?;
    value.as_object_mut()?.insert("timestamp".to_owned(), told.into());
    Some(value.to_string())
}

fn webhook(text: &str, payload: Node<'_>, owner: &ListOwner, at_ms: i64, now_ms: i64) -> Webhook {
    let ListOwner { source, session, engine, me } = owner;
    let id = format!("{BACKFILL_PREFIX}{}", content_hash(payload, owner));
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let body = format!(
        r#"{{"id":{},"timestamp":{at_ms},"event":"{EVENT_TYPE}","session":{},"engine":{},"me":{},"payload":{text}}}"#,
        quoted(&id),
        quoted(session),
        quoted(engine),
        me.as_deref().unwrap_or("null"),
    );
    WebhookParts {
        key: WebhookKey {
            source: source.clone(),
            session: session.clone(),
            event_type: EVENT_TYPE.to_owned(),
            id,
        },
        receipt: Receipt::new(),
        at_ms,
        // Its own time: it is no sign that webhooks arrive, and history stays where it belongs in the ledger.
        received_at_ms: at_ms.min(now_ms),
        replay: false,
        headers: Headers::new(),
        body: body.into(),
    }
    .into()
}

/// In hex: of session, chat, bare id, ack and content.
fn content_hash(payload: Node<'_>, owner: &ListOwner) -> String {
    let fields = ["id", "ack", "body", "timestamp", "hasMedia"];
    let mut sha = Sha256::new();
    for text in [&owner.source, &owner.session].map(String::as_str) {
        sha.update(text);
        sha.update([0]);
    }
    for field in fields {
        sha.update(payload.at(field).text().unwrap_or_default());
        sha.update([0]);
    }
    hex::encode(&sha.finalize()[..HASH_BYTES])
}

fn told(webhook: Webhook, changes: Changes) -> Option<ToldRow> {
    let told = changes.messages.iter().find(|(_, change)| !change.told.is_empty());
    let (key, change) = told?;
    let own = changes.own_messages.get(key);
    let status = change.status.or_else(|| own.and_then(|own| own.status));
    let is_notice = change.told.values().all(|told| told.content.value.is_notice);
    let is_placeholder = change.told.values().all(|told| told.content.version.is_placeholder());
    let message = ListedMessage {
        chats: names_of(&changes, key),
        message_id: key.message_id.clone(),
        is_own: own.is_some(),
    };
    Some(ToldRow { webhook, changes, message, is_notice, is_placeholder, status })
}

/// The names of the message's chat: the told one, and what the message itself shows to be the same person.
fn names_of(changes: &Changes, key: &MessageKey) -> Vec<String> {
    let told = &key.chat.chat_id;
    let others = changes.links.iter().filter_map(|link| match told {
        told if *told == link.lid => Some(link.phone.clone()),
        told if *told == link.phone => Some(link.lid.clone()),
        _ => None,
    });
    std::iter::once(told.clone()).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_900_000_000;

    fn read(text: &str) -> Option<ListedRow> {
        let owner = ListOwner {
            source: "default".to_owned(),
            session: "sales".to_owned(),
            engine: "NOWEB".to_owned(),
            me: Some(r#"{"id":"12025550100@c.us"}"#.to_owned()),
        };
        let row: &RawValue = serde_json::from_str(text).unwrap();
        read_row(row, &owner, NOW_MS, &Rules { user_id_key: "user.id".to_owned() })
    }

    fn own(timestamp: i64, ack: i64) -> String {
        format!(
            r#"{{"id":"true_12025550144@c.us_3EB0B","timestamp":{timestamp},"fromMe":true,"body":"hi",
                "ack":{ack},"from":"12025550144@c.us","_data":{{"key":{{"remoteJid":"12025550144@s.whatsapp.net",
                "fromMe":true,"id":"3EB0B"}},"messageTimestamp":1790851100,
                "message":{{"conversation":"hi"}}}}}}"#
        )
    }

    #[test]
    fn a_listed_message_is_the_same_webhook_each_time_until_it_tells_more() {
        let webhook = |text: &str| read(text).unwrap().told.unwrap().webhook;
        let (one, again) = (webhook(&own(1_790_851_100, 2)), webhook(&own(1_790_851_100, 2)));
        assert_eq!(one.key(), again.key());
        assert!(one.key().is_backfill());
        assert_ne!(one.key(), webhook(&own(1_790_851_100, 3)).key());
        assert_eq!((one.at_ms(), one.received_at_ms()), (1_790_851_100_000, 1_790_851_100_000));
    }

    /// The time of the request, which NOWEB told of own messages of its history, would order the chat.
    #[test]
    fn the_engines_time_counts_where_waha_tells_that_of_the_request() {
        let row = read(&own(1_790_899_999, 2)).unwrap();
        assert_eq!(row.at_ms, Some(1_790_851_100_000));
        let others = own(1_790_899_999, 2).replace(r#""fromMe":true"#, r#""fromMe":false"#);
        assert_eq!(read(&others).unwrap().at_ms, Some(1_790_899_999_000), "of own ones alone");
    }

    #[test]
    fn what_is_no_message_tells_none_and_what_has_no_id_can_not_be_read() {
        assert!(read("null").is_none());
        for text in [r#"{"body":"x","timestamp":1790851100}"#, r#"{"id":{"_serialized":"a_b_c"}}"#]
        {
            let row = read(text).unwrap();
            assert!(row.is_unreadable && row.told.is_none(), "{text}");
        }
        let row = read(
            r#"{"id":"false_12025550144@c.us_3EB0C","timestamp":1790851100,"fromMe":false,"body":null,
                "from":"12025550144@c.us","_data":{"key":{"remoteJid":"12025550144@s.whatsapp.net",
                "fromMe":false,"id":"3EB0C"},"messageTimestamp":1790851100,
                "message":{"protocolMessage":{"type":"EPHEMERAL_SETTING"}}}}"#,
        );
        let row = row.unwrap();
        assert!(row.told.is_none_or(|told| {
            told.changes
                .messages
                .values()
                .all(|it| it.told.values().all(|told| told.content.value.is_notice))
        }));
    }
}
