//! Which webhook a log line is about: one span with its ids, and only what may be logged of it.
//!
//! Entered by `server` and `worker` around the lines they write. Ids come from senders: one of a
//! shape that WAHA gives is logged as it is, any other as its hash, since it could be a message's id,
//! which holds phone numbers. Sessions may be named by phone numbers, so they are not logged.

use tracing::Span;
use tracing::field::Empty;

use crate::webhook::{EventType, Webhook};

/// The span of a webhook; whoever has a delivery of it records its `delivery.attempt`. Made where something
/// is logged, so that a quiet webhook costs nothing.
pub fn of_webhook(webhook: &Webhook, backend: &'static str) -> Span {
    let key = webhook.key();
    let event_type = match webhook.event_type() {
        EventType::Other => "other",
        _ => key.event_type.as_str(),
    };
    let span = tracing::error_span!(
        "webhook",
        webhook.id = %key.loggable_id(),
        webhook.source = key.source,
        webhook.event_type = event_type,
        queue.backend = backend,
        delivery.attempt = Empty,
        trace_id = Empty,
    );
    if let Some(parent) = webhook.trace_parent() {
        span.record("trace_id", tracing::field::display(parent.trace_id()));
    }
    span
}
