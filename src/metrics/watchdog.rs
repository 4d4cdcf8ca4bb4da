//! What was done about sessions in trouble.
//!
//! Called by `watchdog`. Every process tells what it did itself; how many are in trouble, `gauges` tells.

use prometheus::IntCounterVec;
use prometheus::core::Collector;

use crate::store::operations::watches::ProbeKind;
use crate::telemetry::family;

/// What was done. Clones share it.
#[derive(Clone)]
pub struct WatchdogMetrics {
    remedies: IntCounterVec,
}

impl Default for WatchdogMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl WatchdogMetrics {
    /// Without series of sources: they are named by the configuration.
    pub fn new() -> Self {
        Self {
            remedies: family::counters(
                "session_remedies_total",
                "What this process did about sessions in trouble.",
                &["source", "remedy", "outcome"],
            ),
        }
    }

    /// With zeros for a source that is watched.
    pub fn begin(&self, source: &str) {
        for remedy in ProbeKind::REMEDIES {
            for is_done in [true, false] {
                let _zero = self.counter(source, remedy, is_done);
            }
        }
    }

    /// Something was done, or failed.
    pub fn applied(&self, source: &str, remedy: ProbeKind, is_done: bool) {
        self.counter(source, remedy, is_done).inc();
    }

    fn counter(&self, source: &str, remedy: ProbeKind, is_done: bool) -> prometheus::IntCounter {
        let outcome = if is_done { "done" } else { "failed" };
        self.remedies.with_label_values(&[source, remedy.name(), outcome])
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.remedies.clone())]
    }
}
