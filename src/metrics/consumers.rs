//! How far consumers of the feed are behind, and how deliveries to them end.
//!
//! Called by `consumers`. Every process that works tells how far behind, and only what it delivered itself.

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use crate::telemetry::family::{self, seconds};

/// What is known of consumers. Clones share it.
#[derive(Clone)]
pub struct ConsumerMetrics {
    lag_positions: IntGaugeVec,
    lag_seconds: GaugeVec,
    delivered: IntCounterVec,
    failures: IntCounterVec,
}

impl Default for ConsumerMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl ConsumerMetrics {
    /// Without any series: consumers are named by the configuration.
    pub fn new() -> Self {
        let labels = &["consumer"];
        Self {
            lag_positions: family::gauges(
                "consumer_lag_positions",
                "Positions of the feed that a consumer has not been told or is not to be told.",
                labels,
            ),
            lag_seconds: family::times(
                "consumer_lag_seconds",
                "Age of the first of them; 0 when there is none.",
                labels,
            ),
            delivered: family::counters(
                "consumer_changes_delivered_total",
                "Changes that this process delivered to a consumer.",
                labels,
            ),
            failures: family::counters(
                "consumer_delivery_failures_total",
                "Deliveries to a consumer that failed; they are tried again.",
                labels,
            ),
        }
    }

    /// With zeros for a consumer of the configuration.
    pub fn begin(&self, consumer: &str) {
        self.set_lag(consumer, 0, 0);
        let _zero = self.delivered.with_label_values(&[consumer]);
        let _zero = self.failures.with_label_values(&[consumer]);
    }

    /// How far behind it is.
    pub fn set_lag(&self, consumer: &str, positions: i64, ms: i64) {
        self.lag_positions.with_label_values(&[consumer]).set(positions);
        self.lag_seconds.with_label_values(&[consumer]).set(seconds(ms));
    }

    /// It has so many more changes.
    pub fn delivered(&self, consumer: &str, changes: usize) {
        self.delivered.with_label_values(&[consumer]).inc_by(changes as u64);
    }

    /// It did not take something.
    pub fn failed(&self, consumer: &str) {
        self.failures.with_label_values(&[consumer]).inc();
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.lag_positions.clone()),
            Box::new(self.lag_seconds.clone()),
            Box::new(self.delivered.clone()),
            Box::new(self.failures.clone()),
        ]
    }
}
