//! A webhook as an AMQP message: the body untouched, everything else in properties.
//!
//! Called by `publish` and `consume`. Invariant: what comes out is what went in, and any
//! message that somebody else puts into our queues comes out as something that can be kept.

use std::time::Duration;

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

/// Failures kept with a webhook: the first and the latest.
pub(super) const FAILURES_MAX: usize = 50;

/// Headers for what does not fit its property.
const WEBHOOK: &str = "waha-webhook";
const REQUEST: &str = "waha-request";
const FAILURES: &str = "waha-failures";

/// When a webhook that waits is tried again, ms since 1970. The broker tells only how long it was to wait.
const DUE: &str = "waha-due";

/// Most bytes of request headers in a message. A message's headers share one frame, of 128 KiB in
/// RabbitMQ, and a broker closes the connection of who sends a larger one. The door keeps 2 KiB.
const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Most bytes of earlier failures in a message. Ours are short; somebody else's may not be.
const FAILURES_BYTES_MAX: usize = 64 << 10;

/// What brokers say in headers of their own.
const OF_BROKER: [&str; 5] =
    ["x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count"];

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
    /// When it is tried again, ms since 1970, if it waits for that and says so.
    pub(super) due_at_ms: Option<i64>,
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
    if let Some(request) = place(request(webhook)?, &mut headers, REQUEST) {
        properties = properties.with_app_id(request);
    }
    Ok(if headers.inner().is_empty() { properties } else { properties.with_headers(headers) })
}

/// The same for a webhook that is to wait.
pub(super) fn waiting(properties: BasicProperties, wait: Duration, now_ms: i64) -> BasicProperties {
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let mut headers = properties.headers().clone().unwrap_or_default();
    let due_at_ms = now_ms.saturating_add(wait_ms);
    headers.insert(DUE.into(), AMQPValue::LongLongInt(due_at_ms));
    properties.with_headers(headers).with_expiration(wait_ms.to_string().into())
}

/// The request headers. Of somebody else's message they may be more than a message can have; then they
/// stay behind: nothing that is read of a webhook is in them.
fn request(webhook: &Webhook) -> Result<String, serde_json::Error> {
    let request = serde_json::to_string(webhook.headers())?;
    Ok(if request.len() <= REQUEST_BYTES_MAX { request } else { "{}".to_owned() })
}

/// Earlier failures; of more than a message can have, the first and the latest.
fn listed(failures: &[Failure]) -> Result<String, serde_json::Error> {
    let list = serde_json::to_string(failures)?;
    if list.len() <= FAILURES_BYTES_MAX {
        return Ok(list);
    }
    let ends = [failures.first(), failures.last()];
    let ends = ends.into_iter().flatten().cloned().map(Failure::storable);
    serde_json::to_string(&ends.collect::<Vec<_>>())
}

/// What few messages have.
fn headers(webhook: &Webhook, failures: &[Failure]) -> Result<FieldTable, serde_json::Error> {
    let mut headers = FieldTable::default();
    // Also by its own name, for others who bind queues of theirs and go on with the trace.
    if let Some(parent) = webhook.trace_parent() {
        put(&mut headers, TRACE_PARENT_HEADER, parent.to_string());
    }
    if !failures.is_empty() {
        put(&mut headers, FAILURES, listed(failures)?);
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

/// Reads a message. One that is not ours becomes a webhook of no source, known by its body's hash: it
/// is stored as a dead letter, and tells nothing.
pub(super) fn read(message: Message) -> Content {
    let properties = message.properties;
    let headers = Read(properties.headers().as_ref());
    let about: Option<About> = headers.told(properties.correlation_id().as_ref(), WEBHOOK);
    let request = headers.told(properties.app_id().as_ref(), REQUEST);
    // It grew by parts, to up to twice its size.
    let body = Bytes::from(message.data.into_boxed_slice());
    let parts = match about {
        Some(about) => about.with(request.unwrap_or_default(), body),
        None => foreign(body, kept(&properties)),
    };
    Content {
        failures: headers.failures(),
        returns: headers.number("x-delivery-count").unwrap_or_default().unsigned_abs(),
        given_up: headers.given_up(),
        due_at_ms: headers.number(DUE),
        webhook: parts.into(),
    }
}

/// What is said of a body that somebody else has put into the queue.
fn foreign(body: Bytes, headers: Headers) -> WebhookParts {
    let hash = Sha256::digest(&body);
    WebhookParts {
        key: WebhookKey { id: hex::encode(hash), ..WebhookKey::default() },
        receipt: Receipt(first_u64(&hash).cast_signed()),
        at_ms: 0,
        received_at_ms: 0,
        replay: false,
        headers,
        body,
    }
}

/// The headers and properties of somebody else's message, for who looks into its dead letter.
fn kept(properties: &BasicProperties) -> Headers {
    let named = [
        ("correlation-id", properties.correlation_id()),
        ("app-id", properties.app_id()),
        ("message-id", properties.message_id()),
        ("type", properties.kind()),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), text.as_ref()?.to_string())));
    let headers = properties.headers().iter().flat_map(FieldTable::inner);
    let headers = headers
        .filter(|(name, _)| !OF_BROKER.iter().any(|start| name.as_str().starts_with(start)))
        .map(|(name, value)| {
            (name.to_string(), text(value).unwrap_or_else(|| format!("{value:?}")))
        });
    named.chain(headers).collect()
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

    /// Earlier failures; the first and the latest, if somebody wrote down more than we do.
    fn failures(&self) -> Vec<Failure> {
        let mut failures: Vec<Failure> = self.json(FAILURES).unwrap_or_default();
        if failures.len() > FAILURES_MAX {
            failures.drain(1..=failures.len() - FAILURES_MAX);
        }
        failures
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

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_BYTES_MAX: usize = 128 << 10;

    fn webhook(headers: Headers) -> Webhook {
        WebhookParts { headers, ..foreign(Bytes::from_static(b"x"), Headers::new()) }.into()
    }

    /// Bytes of all that is in headers.
    fn size(properties: &BasicProperties) -> usize {
        let headers = properties.headers().iter().flat_map(FieldTable::inner);
        headers.map(|(name, value)| name.as_str().len() + text(value).unwrap().len()).sum()
    }

    #[test]
    fn what_is_published_fits_a_frame_whatever_it_is() {
        let failure = Failure { at_ms: i64::MIN, error: "\0".repeat(30_000) };
        let huge = [("x".to_owned(), "h".repeat(100_000))].into();
        let properties = properties(&webhook(huge), &[failure.clone(), failure]).unwrap();
        assert!(size(&properties) < FRAME_BYTES_MAX, "{}", size(&properties));
        let read = Read(properties.headers().as_ref());
        assert_eq!(read.failures().len(), 2);
    }

    #[test]
    fn what_waits_says_until_when() {
        let failures = [Failure { at_ms: 5, error: "no".to_owned() }];
        let plain = properties(&webhook(Headers::new()), &failures).unwrap();
        let waits = waiting(plain, Duration::from_secs(5), 1_000);
        let read = Read(waits.headers().as_ref());
        assert_eq!((read.number(DUE), read.failures()), (Some(6_000), failures.to_vec()));
        assert_eq!(waits.expiration().as_ref().unwrap().as_str(), "5000");
    }

    #[test]
    fn our_failures_come_out_as_they_went_in() {
        let failure = |error: &str| Failure { at_ms: 5, error: error.to_owned() };
        let failures = ["first", "second \0 \"quoted\""].map(failure);
        let properties = properties(&webhook(Headers::new()), &failures).unwrap();
        assert_eq!(Read(properties.headers().as_ref()).failures(), failures);
    }
}
