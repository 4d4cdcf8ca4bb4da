//! What a process depends on, whether it answers, and since when that is so.
//!
//! Reported by `worker` and `observer`, read by `/readyz` and as metrics.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec};

use super::metrics::family;

/// Something that a process depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// The tables.
    Database,
    /// The broker, or the embedded queue.
    Queue,
    /// The spool in front of a broker: its file answers and has room.
    Spool,
}

impl Dependency {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Database, Self::Queue, Self::Spool];

    /// In answers and labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Queue => "queue",
            Self::Spool => "spool",
        }
    }
}

/// How a dependency stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it answers.
    pub is_up: bool,
    /// Since when, ms since 1970.
    pub since_ms: i64,
}

/// How all of them stand; none is known before its first report. Clones share it.
#[derive(Clone)]
pub struct Dependencies {
    standings: Arc<Mutex<[Option<Standing>; Dependency::ALL.len()]>>,
    up: IntGaugeVec,
    outages: IntCounterVec,
}

impl Default for Dependencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Dependencies {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            standings: Arc::default(),
            up: family::gauges(
                "dependency_up",
                "1 while a dependency answers and can be used, else 0.",
                &["dependency"],
            ),
            outages: family::counters(
                "outages_total",
                "How often a dependency went away.",
                &["dependency"],
            ),
        }
    }

    /// Says how a dependency was just found.
    pub fn report(&self, dependency: Dependency, is_up: bool, now_ms: i64) {
        let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = &mut standings[dependency as usize];
        if standing.is_some_and(|standing| standing.is_up == is_up) {
            return;
        }
        *standing = Some(Standing { is_up, since_ms: now_ms });
        self.up.with_label_values(&[dependency.name()]).set(i64::from(is_up));
        // Adds 0 to a first good one, so that the series is there before its first outage.
        self.outages.with_label_values(&[dependency.name()]).inc_by(u64::from(!is_up));
    }

    /// How a dependency stands; none if this process has none, or does not know yet.
    pub fn standing(&self, dependency: Dependency) -> Option<Standing> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)[dependency as usize]
    }

    pub(super) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.up.clone()), Box::new(self.outages.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_has_the_time_of_its_change_and_outages_count_once() {
        let dependencies = Dependencies::new();
        assert_eq!(dependencies.standing(Dependency::Queue), None);
        for (now_ms, is_up) in [(1, true), (2, true), (3, false), (4, false), (5, true)] {
            dependencies.report(Dependency::Queue, is_up, now_ms);
        }
        let standing = dependencies.standing(Dependency::Queue);
        assert_eq!(standing, Some(Standing { is_up: true, since_ms: 5 }));
        assert_eq!(dependencies.outages.with_label_values(&["queue"]).get(), 1);
        assert_eq!(dependencies.up.with_label_values(&["queue"]).get(), 1);
    }
}
