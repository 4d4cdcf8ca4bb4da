//! What the door counts: each request with its answer, bodies, and how long publishing took.
//!
//! Called by `server/receive`.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Gauge, Histogram, IntCounterVec};

use super::OTHER;
use super::source_clocks::SourceClocks;
use crate::telemetry::family;
use crate::telemetry::refusals::Refusals;
use crate::webhook::{EventType, Webhook};

const BODY_BUCKETS: [f64; 8] =
    [256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0, 8_388_608.0];
const PUBLISH_BUCKETS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// 202: it is durable.
    Accepted,
    /// 202 as well: signed, but no WAHA envelope; it will be a dead letter.
    Malformed,
    /// 404.
    UnknownSource,
    /// 401: no or a wrong signature.
    BadSignature,
    /// 413.
    TooLarge,
    /// 408: the body took too long to arrive.
    SlowBody,
    /// 400: the connection broke within the body.
    BrokenBody,
    /// 503: too many bodies in memory.
    Busy,
    /// 503: not durable in time.
    Timeout,
    /// 503: the queue refused.
    Unavailable,
}

impl Response {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Malformed,
        Self::UnknownSource,
        Self::BadSignature,
        Self::TooLarge,
        Self::SlowBody,
        Self::BrokenBody,
        Self::Busy,
        Self::Timeout,
        Self::Unavailable,
    ];

    /// As a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Malformed => "malformed",
            Self::UnknownSource => "unknown_source",
            Self::BadSignature => "bad_signature",
            Self::TooLarge => "too_large",
            Self::SlowBody => "slow_body",
            Self::BrokenBody => "broken_body",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What the door counts. Clones count together.
#[derive(Clone)]
pub struct DoorMetrics {
    received: IntCounterVec,
    keys_matched: IntCounterVec,
    body_bytes: Histogram,
    publish_seconds: Histogram,
    last_received: Gauge,
    clocks: SourceClocks,
    /// What it refused, and why.
    pub refusals: Refusals,
}

impl DoorMetrics {
    /// With a series of zeros for whatever the configured sources are answered, because a rate needs
    /// to see the first of its kind.
    pub fn new(sources: &[String]) -> Self {
        let metrics = Self {
            received: family::counters(
                "webhooks_received_total",
                "Requests at the door by answer. Unknown sources and event types, and the event type of what was refused unread, are \"other\".",
                &["source", "event_type", "response"],
            ),
            keys_matched: family::counters(
                "webhook_keys_matched_total",
                "Verified webhooks by the position of the key that matched, from 0.",
                &["source", "key"],
            ),
            body_bytes: family::histogram(
                "webhook_body_bytes",
                "Size of verified bodies.",
                &BODY_BUCKETS,
            ),
            publish_seconds: family::histogram(
                "publish_duration_seconds",
                "How long it took until a webhook was durable, or was not.",
                &PUBLISH_BUCKETS,
            ),
            last_received: family::time(
                "last_received_timestamp_seconds",
                "When the last webhook was accepted, in Unix time; 0 before the first.",
            ),
            clocks: SourceClocks::new(),
            refusals: Refusals::default(),
        };
        for source in sources {
            metrics.begin(source);
        }
        metrics
    }

    fn begin(&self, source: &str) {
        for event_type in EventType::names() {
            let _zero =
                self.received.with_label_values(&[source, event_type, Response::Accepted.name()]);
        }
        let _zero = self.keys_matched.with_label_values(&[source, "0"]);
        self.clocks.begin(source);
        for response in Response::ALL {
            let _zero = self.received.with_label_values(&[source, OTHER, response.name()]);
        }
    }

    /// Counts an answer. `source`: a configured one, or none.
    pub fn answered(&self, source: Option<&str>, event_type: EventType, response: Response) {
        let source = source.unwrap_or(OTHER);
        self.received.with_label_values(&[source, event_type.name(), response.name()]).inc();
    }

    /// How many were made durable since the start.
    pub fn accepted(&self) -> u64 {
        let answers = [Response::Accepted.name(), Response::Malformed.name()];
        family::sum(&self.received, "response", &answers)
    }

    /// Counts a webhook whose signature is right. `key`: which of the source's keys matched.
    pub fn verified(&self, webhook: &Webhook, key: Option<usize>) {
        #[expect(clippy::cast_precision_loss, reason = "bodies are far below 2^52 bytes")]
        self.body_bytes.observe(webhook.body().len() as f64);
        if let Some(key) = key {
            let source = webhook.key().source.as_str();
            self.keys_matched.with_label_values(&[source, &key.to_string()]).inc();
        }
        self.clocks.add(webhook);
    }

    /// How long publishing took, however it ended.
    pub fn published(&self, took: Duration) {
        self.publish_seconds.observe(took.as_secs_f64());
    }

    /// When the last webhook was accepted.
    pub fn accepted_at(&self, now_ms: i64) {
        self.last_received.set(family::seconds(now_ms));
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.received.clone()),
            Box::new(self.keys_matched.clone()),
            Box::new(self.body_bytes.clone()),
            Box::new(self.publish_seconds.clone()),
            Box::new(self.last_received.clone()),
            self.clocks.family(),
        ]
    }
}
