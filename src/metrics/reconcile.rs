//! What comparing with WAHA's list of messages found.
//!
//! Called by `reconcile`. Every process tells what it found itself.

use prometheus::IntCounterVec;
use prometheus::core::Collector;

use crate::telemetry::family;

/// How a try to compare ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileOutcome {
    /// All of its window was compared.
    Done,
    /// It goes on later.
    Waits,
    /// It can't be done.
    Stopped,
}

impl ReconcileOutcome {
    const ALL: [Self; 3] = [Self::Done, Self::Waits, Self::Stopped];

    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waits => "waits",
            Self::Stopped => "stopped",
        }
    }
}

/// What was found. Clones share it.
#[derive(Clone)]
pub struct ReconcileMetrics {
    missing: IntCounterVec,
    ended: IntCounterVec,
}

impl Default for ReconcileMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl ReconcileMetrics {
    /// Without series of sources: they are named by the configuration.
    pub fn new() -> Self {
        Self {
            missing: family::counters(
                "messages_missing_total",
                "Messages that no webhook told and that this process took over from WAHA's list.",
                &["source"],
            ),
            ended: family::counters(
                "reconciliations_total",
                "Tries to compare a session with WAHA's list that ended in this process.",
                &["source", "outcome"],
            ),
        }
    }

    /// With zeros for a source that is compared.
    pub fn begin(&self, source: &str) {
        for outcome in ReconcileOutcome::ALL {
            let _zero = self.ended.with_label_values(&[source, outcome.name()]);
        }
        let _zero = self.missing.with_label_values(&[source]);
    }

    /// So many messages were missing.
    pub fn found_missing(&self, source: &str, count: u64) {
        self.missing.with_label_values(&[source]).inc_by(count);
    }

    /// A try ended.
    pub fn ended(&self, source: &str, outcome: ReconcileOutcome) {
        self.ended.with_label_values(&[source, outcome.name()]).inc();
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.missing.clone()), Box::new(self.ended.clone())]
    }
}
