//! What the worker counts: how deliveries end, how large and slow batches are, and how late rows are.
//!
//! Called by `worker/process`.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounterVec};

use crate::queue::Lane;
use crate::store::apply::outcome::Outcome;
use crate::telemetry::family;
use crate::webhook::Webhook;

const BATCH_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];
const APPLY_BUCKETS: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
const LAG_BUCKETS: [f64; 13] =
    [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0];

/// What a delivery can come to.
const OUTCOMES: [&str; 6] = ["applied", "duplicate", "ignored", "dead_lettered", RETRIED, RETURNED];
const RETRIED: &str = "retried";
const RETURNED: &str = "returned";

/// What the worker counts. Clones count together.
#[derive(Clone)]
pub struct WorkerMetrics {
    deliveries: IntCounterVec,
    ignored: IntCounterVec,
    dead_letters: IntCounterVec,
    batch: Histogram,
    apply_seconds: Histogram,
    lag_seconds: HistogramVec,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerMetrics {
    /// With zeros for every lane and outcome.
    pub fn new() -> Self {
        let metrics = Self {
            deliveries: family::counters(
                "deliveries_total",
                "Deliveries by what they came to; retried and returned ones come again.",
                &["lane", "outcome"],
            ),
            ignored: family::counters(
                "webhooks_ignored_total",
                "Webhooks that told nothing for the tables.",
                &["event_type", "reason"],
            ),
            dead_letters: family::counters(
                "dead_letters_total",
                "Webhooks that became dead letters, those of a replay included.",
                &["reason"],
            ),
            batch: family::histogram(
                "batch_webhooks",
                "Webhooks in one transaction.",
                &BATCH_BUCKETS,
            ),
            apply_seconds: family::histogram(
                "apply_duration_seconds",
                "How long a transaction took that was committed.",
                &APPLY_BUCKETS,
            ),
            lag_seconds: family::histograms(
                "commit_lag_seconds",
                "From webhook time to commit, of webhooks that were applied or ignored at first hand.",
                &["lane"],
                &LAG_BUCKETS,
            ),
        };
        for lane in Lane::ALL {
            let _zero = metrics.lag_seconds.with_label_values(&[lane.name()]);
            for outcome in OUTCOMES {
                let _zero = metrics.deliveries.with_label_values(&[lane.name(), outcome]);
            }
        }
        metrics
    }

    /// A transaction was committed.
    pub fn applied(&self, webhooks: usize, took: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "a batch has some thousands at most")]
        self.batch.observe(webhooks as f64);
        self.apply_seconds.observe(took.as_secs_f64());
    }

    /// A delivery ended: the outcome was committed at `now_ms`, and the delivery is acked.
    pub fn ended(&self, webhook: &Webhook, outcome: Outcome, now_ms: i64) {
        let lane = lane(webhook);
        self.deliveries.with_label_values(&[lane, outcome.name()]).inc();
        match outcome {
            Outcome::Duplicate => return,
            Outcome::DeadLettered(reason) => {
                return self.dead_letters.with_label_values(&[reason]).inc();
            }
            Outcome::Ignored(ignored) => {
                let labels = [webhook.event_type().name(), ignored.reason()];
                self.ignored.with_label_values(&labels).inc();
            }
            Outcome::Applied => {}
        }
        // A replay is as late as its operator.
        if !webhook.is_replay() {
            let lag = family::seconds((now_ms - webhook.at_ms()).max(0));
            self.lag_seconds.with_label_values(&[lane]).observe(lag);
        }
    }

    /// How many came to an end since the start.
    pub fn ended_total(&self) -> u64 {
        family::sum(&self.deliveries, "outcome", &OUTCOMES[..4])
    }

    /// A delivery waits for its next attempt.
    pub fn retried(&self, webhook: &Webhook) {
        self.deliveries.with_label_values(&[lane(webhook), RETRIED]).inc();
    }

    /// A delivery was given back with no attempt used, or could not be acked.
    pub fn returned(&self, webhook: &Webhook) {
        self.deliveries.with_label_values(&[lane(webhook), RETURNED]).inc();
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.deliveries.clone()),
            Box::new(self.ignored.clone()),
            Box::new(self.dead_letters.clone()),
            Box::new(self.batch.clone()),
            Box::new(self.apply_seconds.clone()),
            Box::new(self.lag_seconds.clone()),
        ]
    }
}

fn lane(webhook: &Webhook) -> &'static str {
    webhook.event_type().lane().name()
}
