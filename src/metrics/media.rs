//! How files of messages are fetched.
//!
//! Called by `media`. Every process that fetches tells how many wait, and only what it fetched itself.

use prometheus::core::Collector;
use prometheus::{Gauge, IntCounterVec, IntGauge};

use crate::telemetry::family::{self, seconds};

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaOutcome {
    /// The file is kept.
    Stored,
    /// It is tried again.
    Retried,
    /// Nobody has it any more.
    Gone,
    /// It was not to be taken.
    Refused,
    /// It was given up.
    Failed,
}

impl MediaOutcome {
    const ALL: [Self; 5] = [Self::Stored, Self::Retried, Self::Gone, Self::Refused, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Retried => "retried",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What is known of files. Clones share it.
#[derive(Clone)]
pub struct MediaMetrics {
    tries: IntCounterVec,
    bytes: IntCounterVec,
    waiting: IntGauge,
    oldest: Gauge,
}

impl Default for MediaMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl MediaMetrics {
    /// Without series of sources: they are named by the configuration.
    pub fn new() -> Self {
        Self {
            tries: family::counters(
                "media_tries_total",
                "Tries to fetch a message's file that ended in this process.",
                &["source", "outcome"],
            ),
            bytes: family::counters(
                "media_bytes_stored_total",
                "Bytes of files that this process stored.",
                &["source"],
            ),
            waiting: family::gauge("media_waiting", "Files that are to be fetched."),
            oldest: family::time(
                "media_oldest_waiting_age_seconds",
                "How long ago the oldest of them was told; 0 when there is none.",
            ),
        }
    }

    /// With zeros for a source that is asked for files.
    pub fn begin(&self, source: &str) {
        for outcome in MediaOutcome::ALL {
            let _zero = self.tries.with_label_values(&[source, outcome.name()]);
        }
        let _zero = self.bytes.with_label_values(&[source]);
    }

    /// A try ended, with so many bytes stored.
    pub fn ended(&self, source: &str, outcome: MediaOutcome, bytes: u64) {
        self.tries.with_label_values(&[source, outcome.name()]).inc();
        self.bytes.with_label_values(&[source]).inc_by(bytes);
    }

    /// How many files wait, and for how long the oldest has.
    pub fn set_waiting(&self, count: i64, oldest_ms: i64) {
        self.waiting.set(count);
        self.oldest.set(seconds(oldest_ms));
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.tries.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.waiting.clone()),
            Box::new(self.oldest.clone()),
        ]
    }
}
