//! Whether this process may deliver for a consumer: at most one does at a time.
//!
//! Used by `delivery`. No clocks are compared: a lease is over once its number has not grown for its length, by
//! the watch of whoever waits; its owner, which took it earlier, stops using it before. A process that has locked
//! its data folder goes by the folder's name, so it takes the lease of one that was killed there at once.

use std::time::{Duration, Instant};

use crate::store::operations::consumers::ConsumerRow;
use crate::store::{Store, StoreError};

/// One process' part in a consumer's lease.
pub(super) struct Lease {
    owner: String,
    length: Duration,
    /// Its number when this process last made it grow, and when that began.
    held: Option<(i64, Instant)>,
    /// The number that was last seen, and since when.
    seen: Option<(i64, Instant)>,
}

impl Lease {
    pub(super) fn new(owner: String, length: Duration) -> Self {
        Self { owner, length, held: None, seen: None }
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    /// The row with a lease that lasts for what is to be done now; none if another process delivers.
    pub(super) async fn ensure(
        &mut self,
        store: &Store,
        row: ConsumerRow,
    ) -> Result<Option<ConsumerRow>, StoreError> {
        if self.is_fresh(&row) {
            return Ok(Some(row));
        }
        if !self.may_take(&row) {
            return Ok(None);
        }
        let began = Instant::now();
        let leased = store.lease_consumer(&row, &self.owner).await?;
        self.held = leased.as_ref().map(|row| (row.lease_number, began));
        Ok(leased)
    }

    /// The row was written by this process, by which the lease was renewed.
    pub(super) fn renewed(&mut self, row: &ConsumerRow, began: Instant) {
        self.held = Some((row.lease_number, began));
    }

    /// Whether enough of it is left to deliver something.
    pub(super) fn lasts(&self) -> bool {
        self.held.is_some_and(|(_, began)| began.elapsed() < self.length * 2 / 3)
    }

    /// Whether a third of it is not over.
    fn is_fresh(&self, row: &ConsumerRow) -> bool {
        let is_mine = row.lease_owner.as_deref() == Some(&self.owner);
        let is_fresh = |(number, began): (i64, Instant)| {
            number == row.lease_number && began.elapsed() < self.length / 3
        };
        is_mine && self.held.is_some_and(is_fresh)
    }

    /// Whether it is free, ours, or over.
    fn may_take(&mut self, row: &ConsumerRow) -> bool {
        let (number, since) = self.seen.unwrap_or((row.lease_number, Instant::now()));
        let since = if number == row.lease_number { since } else { Instant::now() };
        self.seen = Some((row.lease_number, since));
        match row.lease_owner.as_deref() {
            None => true,
            Some(owner) => owner == self.owner || since.elapsed() >= self.length,
        }
    }
}
