//! Tells waiting receivers of this process that a lane has something.
//!
//! Told by the writer thread, heard by `receive`. Only saves waiting: what another process publishes,
//! and what falls due, is found by asking again.

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::queue::Lane;

/// One bell for each lane.
#[derive(Default)]
pub(super) struct LaneNotifier([Notify; Lane::ALL.len()]);

impl LaneNotifier {
    /// Wakes all who wait for the lane.
    pub(super) fn tell(&self, lane: Lane) {
        self.0[lane as usize].notify_waiters();
    }

    /// Ends at the next news of the lane, counted from when it was enabled.
    pub(super) fn of(&self, lane: Lane) -> Notified<'_> {
        self.0[lane as usize].notified()
    }
}
