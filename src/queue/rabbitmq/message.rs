//! A webhook as an AMQP message: the body untouched, everything else in properties.
//!
//! Called by `publish` and `consume`. What must stay true: what comes out is what went in, and any
//! message that somebody else puts into our queues comes out as something that can be kept.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery as Message;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::about::About;
use crate::queue::Failure;
use crate::webhook::trace_parent::TRACE_PARENT_HEADER;
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts, first_u64};

/// Headers for what does not fit its property.
const WEBHOOK: &str = "waha-webhook";
const REQUEST: &str = "waha-request";
const FAILURES: &str = "waha-failures";

/// Longest text of a property, in bytes; AMQP counts it in one.
const SHORT_BYTES_MAX: usize = 255;

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

/// Properties of the message for a webhook with its earlier failures. The first header costs the broker
/// some 5 µs and a property nothing that can be measured, so most messages have no header.
pub(super) fn properties(
    webhook: &Webhook,
    failures: &[Failure],
) -> Result<BasicProperties, serde_json::Error> {
    let mut headers = headers(webhook, failures)?;
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_message_id(message_id(webhook).into());
    let about = serde_json::to_string(&About::from(webhook.parts()))?;
    if let Some(about) = place(about, &mut headers, WEBHOOK) {
        properties = properties.with_correlation_id(about);
    }
    let request = serde_json::to_string(webhook.headers())?;
    if let Some(request) = place(request, &mut headers, REQUEST) {
        properties = properties.with_app_id(request);
    }
    Ok(if headers.inner().is_empty() { properties } else { properties.with_headers(headers) })
}

/// What few messages have.
fn headers(webhook: &Webhook, failures: &[Failure]) -> Result<FieldTable, serde_json::Error> {
    let mut headers = FieldTable::default();
    // Also by its own name, for others who bind queues of theirs and go on with the trace.
    if let Some(parent) = webhook.trace_parent() {
        put(&mut headers, TRACE_PARENT_HEADER, parent.to_string());
    }
    if !failures.is_empty() {
        put(&mut headers, FAILURES, serde_json::to_string(failures)?);
    }
    Ok(headers)
}

/// The text for a property; put among the headers if it is too long for one.
fn place(text: String, headers: &mut FieldTable, name: &str) -> Option<ShortString> {
    if text.len() <= SHORT_BYTES_MAX {
        return Some(text.into());
    }
    put(headers, name, text);
    None
}

fn put(headers: &mut FieldTable, name: &str, text: String) {
    headers.insert(name.into(), AMQPValue::LongString(text.into()));
}

/// A text that fits; a longer one is cut.
pub(super) fn short(text: &str) -> ShortString {
    let mut end = text.len().min(SHORT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

/// Reads a message. One that is not ours becomes a webhook of no source, known by its body's hash.
pub(super) fn read(message: Message) -> Content {
    let properties = message.properties;
    let headers = Read(properties.headers().as_ref());
    let about: Option<About> = headers.told(properties.correlation_id().as_ref(), WEBHOOK);
    let request = headers.told(properties.app_id().as_ref(), REQUEST);
    let body = Bytes::from(message.data);
    let parts = match about {
        Some(about) => about.with(request.unwrap_or_default(), body),
        None => foreign(body),
    };
    Content {
        failures: headers.json(FAILURES).unwrap_or_default(),
        returns: headers.number("x-delivery-count").unwrap_or_default().unsigned_abs(),
        given_up: headers.given_up(),
        webhook: parts.into(),
    }
}

/// What is said of a body that somebody else has put into the queue.
fn foreign(body: Bytes) -> WebhookParts {
    let hash = Sha256::digest(&body);
    WebhookParts {
        key: WebhookKey { id: hex::encode(hash), ..WebhookKey::default() },
        receipt: Receipt(first_u64(&hash).cast_signed()),
        at_ms: 0,
        received_at_ms: 0,
        replay: false,
        headers: Headers::new(),
        body,
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

    /// What a property tells, or the header in its stead.
    fn told<T: DeserializeOwned>(&self, property: Option<&ShortString>, name: &str) -> Option<T> {
        match property {
            Some(text) => serde_json::from_str(text.as_str()).ok(),
            None => self.json(name),
        }
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
