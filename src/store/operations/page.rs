//! What all lists have: pages in the order of ids, and times that people write.

use sea_orm::Order;

/// How the command line takes the time from which on.
pub(super) const SINCE: &str = "Only what arrived at this time or later: `12h` or `7d` ago, `2026-11-20` (UTC), or `2026-11-20T08:00:00Z`";

/// Which ids, and how many of them.
#[derive(Clone, Copy, Debug)]
pub struct RowPage {
    /// Only ids above this one.
    pub after_id: i64,
    /// Only ids up to this one.
    pub last_id: i64,
    /// At most so many.
    pub limit: u64,
}

impl RowPage {
    /// The first page, of at most so many.
    pub fn first(limit: u64) -> Self {
        Self { after_id: 0, last_id: i64::MAX, limit }
    }

    /// Goes on behind the last row that was read in this order; without one it stays.
    pub(super) fn go_on_behind(&mut self, last: Option<i64>, order: &Order) {
        let Some(last) = last else { return };
        match order {
            Order::Desc => self.last_id = last.saturating_sub(1),
            _ => self.after_id = last,
        }
    }
}
