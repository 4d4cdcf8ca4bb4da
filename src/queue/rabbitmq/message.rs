//! A webhook as an AMQP message: the body untouched, everything else in properties and headers.
//!
//! Called by `publish` and `consume`. What must stay true: what comes out is what went in, and any
//! message that somebody else puts into our queues comes out as something that can be kept.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery as Message;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::queue::Failure;
use crate::webhook::trace_parent::TRACE_PARENT_HEADER;
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts, first_u64};

/// Everything but the body, as JSON. One header, because the broker reads each on its own.
const WEBHOOK: &str = "waha-webhook";
const FAILURES: &str = "waha-failures";

/// Most webhooks' headers need no more.
const JSON_BYTES: usize = 512;

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
    let mut headers = FieldTable::default();
    let mut put = |name: &str, text: Vec<u8>| {
        headers.insert(name.into(), AMQPValue::LongString(text.into()));
    };
    put(WEBHOOK, json(webhook.parts())?);
    // Also by its own name, for others who bind queues of theirs and go on with the trace.
    if let Some(parent) = webhook.trace_parent() {
        put(TRACE_PARENT_HEADER, parent.to_string().into_bytes());
    }
    if !failures.is_empty() {
        put(FAILURES, json(failures)?);
    }
    Ok(BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(message_id(webhook).into())
        .with_headers(headers))
}

fn json(value: impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = Vec::with_capacity(JSON_BYTES);
    serde_json::to_writer(&mut json, &value)?;
    Ok(json)
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
    let body = Bytes::from(message.data);
    let parts = headers.json(WEBHOOK).unwrap_or_else(|| foreign(&body));
    Content {
        failures: headers.json(FAILURES).unwrap_or_default(),
        returns: headers.number("x-delivery-count").unwrap_or_default().unsigned_abs(),
        given_up: headers.given_up(),
        webhook: WebhookParts { body, ..parts }.into(),
    }
}

/// What is said of a body that somebody else has put into the queue.
fn foreign(body: &[u8]) -> WebhookParts {
    let hash = Sha256::digest(body);
    WebhookParts {
        key: WebhookKey { id: hex::encode(hash), ..WebhookKey::default() },
        receipt: Receipt(first_u64(&hash).cast_signed()),
        at_ms: 0,
        received_at_ms: 0,
        replay: false,
        headers: Headers::new(),
        body: Bytes::new(),
    }
}

/// Headers of a message.
struct Read<'a>(Option<&'a FieldTable>);

impl Read<'_> {
    fn value(&self, name: &str) -> Option<&AMQPValue> {
        self.0?.inner().get(name)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.value(name).and_then(number)
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let AMQPValue::LongString(text) = self.value(name)? else { return None };
        serde_json::from_slice(text.as_bytes()).ok()
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
