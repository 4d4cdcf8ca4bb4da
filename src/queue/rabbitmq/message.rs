//! A webhook as an AMQP message: the body untouched, everything else in properties and headers.
//!
//! Called by `publish` and `consume`. What must stay true: what comes out is what went in, and any
//! message that somebody else puts into our queues comes out as something that can be kept.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery as Message;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::queue::Failure;
use crate::webhook::trace_parent::TRACE_PARENT_HEADER;
use crate::webhook::{Receipt, Webhook, WebhookKey, WebhookParts, first_u64};

const SOURCE: &str = "waha-source";
const SESSION: &str = "waha-session";
const EVENT: &str = "waha-event";
const ID: &str = "waha-id";
const RECEIPT: &str = "waha-receipt";
const AT_MS: &str = "waha-at-ms";
const RECEIVED_AT_MS: &str = "waha-received-at-ms";
const REPLAY: &str = "waha-replay";
const HEADERS: &str = "waha-headers";
const FAILURES: &str = "waha-failures";

/// Written to disk by every queue, whatever its kind.
const PERSISTENT: u8 = 2;

/// What a message holds.
pub(super) struct Content {
    pub(super) webhook: Webhook,
    pub(super) failures: Vec<Failure>,
    /// How often the broker took it back from somebody who had it in hand.
    pub(super) returns: u64,
    /// Why the broker gave it up, if it did.
    pub(super) given_up: Option<&'static str>,
}

/// What a returned or confirmed message is known by. Short, unlike a webhook's id.
pub(super) fn message_id(webhook: &Webhook) -> String {
    format!("{:016x}", webhook.receipt().0)
}

/// Properties of the message for a webhook with its earlier failures.
pub(super) fn properties(
    webhook: &Webhook,
    failures: &[Failure],
) -> Result<BasicProperties, serde_json::Error> {
    let key = webhook.key();
    let mut headers = FieldTable::default();
    let mut put = |name: &str, value: AMQPValue| {
        headers.insert(name.into(), value);
    };
    for (name, text) in
        [(SOURCE, &key.source), (SESSION, &key.session), (EVENT, &key.event_type), (ID, &key.id)]
    {
        put(name, AMQPValue::LongString(text.as_str().into()));
    }
    put(RECEIPT, AMQPValue::LongLongInt(webhook.receipt().0));
    put(AT_MS, AMQPValue::LongLongInt(webhook.at_ms()));
    put(RECEIVED_AT_MS, AMQPValue::LongLongInt(webhook.received_at_ms()));
    put(REPLAY, AMQPValue::Boolean(webhook.is_replay()));
    put(HEADERS, AMQPValue::LongString(serde_json::to_string(webhook.headers())?.into()));
    // Also by its own name, for others who bind queues of theirs and go on with the trace.
    if let Some(parent) = webhook.trace_parent() {
        put(TRACE_PARENT_HEADER, AMQPValue::LongString(parent.to_string().into()));
    }
    if !failures.is_empty() {
        put(FAILURES, AMQPValue::LongString(serde_json::to_string(failures)?.into()));
    }
    Ok(BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_app_id("waha-ingest".into())
        .with_message_id(message_id(webhook).into())
        .with_type(short(&key.event_type))
        .with_headers(headers))
}

/// A text that fits: at most 255 bytes.
pub(super) fn short(text: &str) -> ShortString {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

/// Reads a message. One that is not ours becomes a webhook of no source, known by its body's hash.
pub(super) fn read(message: Message) -> Content {
    let headers = Read(message.properties.headers().as_ref());
    let hash = Sha256::digest(&message.data);
    let webhook = WebhookParts {
        key: WebhookKey {
            source: headers.text(SOURCE),
            session: headers.text(SESSION),
            event_type: headers.text(EVENT),
            id: Some(headers.text(ID)).filter(|id| !id.is_empty()).unwrap_or(hex::encode(hash)),
        },
        receipt: Receipt(headers.number(RECEIPT).unwrap_or(first_u64(&hash).cast_signed())),
        at_ms: headers.number(AT_MS).unwrap_or_default(),
        received_at_ms: headers.number(RECEIVED_AT_MS).unwrap_or_default(),
        replay: headers.is_true(REPLAY),
        headers: headers.json(HEADERS),
        body: Bytes::new(),
    };
    Content {
        failures: headers.json(FAILURES),
        returns: headers.number("x-delivery-count").unwrap_or_default().unsigned_abs(),
        given_up: headers.given_up(),
        webhook: WebhookParts { body: Bytes::from(message.data), ..webhook }.into(),
    }
}

/// Headers of a message.
struct Read<'a>(Option<&'a FieldTable>);

impl Read<'_> {
    fn value(&self, name: &str) -> Option<&AMQPValue> {
        self.0?.inner().get(name)
    }

    fn text(&self, name: &str) -> String {
        self.value(name).and_then(text).unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.value(name).and_then(number)
    }

    fn is_true(&self, name: &str) -> bool {
        self.value(name).and_then(AMQPValue::as_bool).unwrap_or_default()
    }

    fn json<T: DeserializeOwned + Default>(&self, name: &str) -> T {
        serde_json::from_str(&self.text(name)).unwrap_or_default()
    }

    /// The reason of the latest death that was no retry, in a closed set of words.
    fn given_up(&self) -> Option<&'static str> {
        let deaths = self.value("x-death")?.as_array()?;
        deaths.as_slice().iter().find_map(|death| {
            let reason = death.as_field_table()?.inner().get("reason")?;
            match text(reason)?.as_str() {
                "delivery_limit" => Some("delivery_limit"),
                "rejected" => Some("rejected_by_consumer"),
                "maxlen" => Some("queue_length_limit"),
                // How a retry ends its wait.
                "expired" => None,
                _ => Some("given_up_by_broker"),
            }
        })
    }
}

fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => String::from_utf8(text.as_bytes().to_vec()).ok(),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// Brokers choose among AMQP's integers by version and value.
fn number(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some((*number).into()),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => Some((*number).into()),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => Some((*number).into()),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}
