//! `POST /webhooks/{source}`: source known, body within its limit, signature, publish, 202.
//!
//! Knows `webhook` and `queue` only, beside what it counts. What its head rules out is refused before a
//! byte of the body is read; nothing is read from a body before its signature is checked, and 202 is
//! answered only after the webhook is durable.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde::Serialize;
use tokio::time::{Instant, timeout};

use super::address::ClientAddress;
use super::bodies::{BodyLease, BodyLimits, read_body};
use super::error::ReceiveError;
use super::refusal::{HMAC, HMAC_ALGORITHM, announced_bytes, check_head, text};
use super::{Door, WEBHOOKS};
use crate::metrics::door::Response;
use crate::telemetry::span;
use crate::trace::{self, Span, SpanName};
use crate::webhook::source::Source;
use crate::webhook::verify::{KEPT_HEADERS, RawRequest, verify};
use crate::webhook::{EventType, Headers, Receipt, Webhook};

/// Longest header value that travels with a webhook.
pub(super) const HEADER_BYTES_MAX: usize = 512;

pub(super) static KEPT: LazyLock<[HeaderName; KEPT_HEADERS.len()]> =
    LazyLock::new(|| KEPT_HEADERS.map(HeaderName::from_static));

/// The answer to an accepted webhook.
#[derive(Serialize)]
struct Accepted<'a> {
    id: &'a str,
}

/// Takes one webhook in.
pub async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    door: web::Data<Door>,
) -> Result<HttpResponse, ReceiveError> {
    let since = trace::since();
    // As the router reads it: percent-encoded letters are decoded.
    let path = request.match_info().as_str();
    let known = path.strip_prefix(WEBHOOKS).and_then(|name| door.sources.get(name));
    let name = known.map(Source::name);
    let read = read(&request, known, payload, &door).await;
    // The event type of what can't be trusted is not looked at.
    let (webhook, _memory) = read.inspect_err(|error| {
        door.metrics.answered(name, EventType::Other, error.response());
        door.refused(request.peer_addr(), request.headers(), name, error.reason());
        // The only reason of ours this early; what comes later is logged with the webhook it is about.
        if matches!(error, ReceiveError::Busy) {
            error.log(&door.refusals);
        }
    })?;
    let (_receiving, webhook) = Span::begin(SpanName::Receive, webhook, since);
    let id = webhook.key().id.clone();
    let event_type = webhook.event_type();
    let accepted =
        if webhook.key().event_type.is_empty() { Response::Malformed } else { Response::Accepted };
    publish(&door, webhook).await.inspect_err(|error| {
        door.metrics.answered(name, event_type, error.response());
        door.refused(request.peer_addr(), request.headers(), name, error.reason());
    })?;
    door.metrics.answered(name, event_type, accepted);
    door.metrics.accepted_at(door.clock.now_ms());
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(Accepted { id: &id }))
}

/// A verified webhook, and the memory that its body holds.
async fn read(
    request: &HttpRequest,
    source: Option<&Source>,
    payload: web::Payload,
    door: &Door,
) -> Result<(Webhook, BodyLease), ReceiveError> {
    let headers = request.headers();
    let source = check_head(source, headers, door.limits.body_bytes_max)?;
    let address = request.extensions().get::<ClientAddress>().copied();
    let address = address.ok_or(ReceiveError::BrokenBody)?;
    let limits = BodyLimits::of(&door.limits);
    let announced = announced_bytes(headers);
    let (body, memory) = read_body(payload, announced, address, limits, &door.memory).await?;
    let raw = RawRequest {
        hmac: text(headers, &HMAC),
        hmac_algorithm: text(headers, &HMAC_ALGORITHM),
        headers: kept_headers(request),
        body,
    };
    let (webhook, key) = verify(source, raw, Receipt::new(), door.clock.now_ms())?;
    door.metrics.verified(&webhook, key);
    Ok((webhook, memory))
}

async fn publish(door: &Door, webhook: Webhook) -> Result<(), ReceiveError> {
    let (mut publishing, webhook) = Span::begin(SpanName::Publish, webhook, None);
    publishing.set("queue.backend", door.queue.backend());
    let told = webhook.clone();
    let started = Instant::now();
    let published = timeout(door.limits.publish_timeout, door.queue.publish(webhook)).await;
    door.metrics.published(started.elapsed());
    let published = match published {
        Ok(published) => published.map_err(ReceiveError::from),
        Err(_) => Err(ReceiveError::PublishTimeout(door.limits.publish_timeout)),
    };
    published.inspect(|()| door.refusals.worked()).inspect_err(|error| {
        publishing.fail(error.to_string());
        span::of_webhook(&told, door.queue.backend()).in_scope(|| error.log(&door.refusals));
    })
}

fn kept_headers(request: &HttpRequest) -> Headers {
    KEPT.iter()
        .filter_map(|name| Some((name, text(request.headers(), name)?)))
        .filter(|(_, value)| value.len() <= HEADER_BYTES_MAX)
        .map(|(name, value)| (name.to_string(), value.to_owned()))
        .collect()
}
