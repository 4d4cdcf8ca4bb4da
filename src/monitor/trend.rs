//! What was seen in the last minutes: for charts, which need more than the present. Bounded, and in memory only.

use std::collections::VecDeque;

/// Ten minutes of looks.
const POINTS_MAX: usize = 120;

/// What one look saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrendPoint {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// What waits, by lane, in the order of `Lane::ALL`; none if the queue did not answer.
    pub waiting: Option<Vec<u64>>,
    /// Webhooks that this process has accepted since its start.
    pub accepted: u64,
    /// Webhooks that it has brought to an end.
    pub ended: u64,
}

/// The last looks, oldest first.
#[derive(Default)]
pub(super) struct Trend(VecDeque<TrendPoint>);

impl Trend {
    pub(super) fn add(&mut self, point: TrendPoint) {
        if self.0.len() == POINTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(point);
    }

    pub(super) fn points(&self) -> Vec<TrendPoint> {
        self.0.iter().cloned().collect()
    }
}
