//! Gives the disk back what a backlog took, once the backlog is gone.

use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use super::Writer;
use crate::queue::sqlite::statements::{bytes_unused, bytes_used};
use crate::telemetry::cause::Causes;

/// Less is used again sooner or later.
const UNUSED_BYTES_MIN: u64 = 64 << 20;

/// What is still in the file is written anew, and webhooks wait meanwhile: a few of these a millisecond.
const USED_BYTES_MAX: u64 = 16 << 20;

/// How often it is looked whether that is so.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Writer {
    /// Writes the file anew, short, if nearly all of it is unused. Called when nothing waits; what fails is
    /// tried again later.
    pub(super) fn shrink(&mut self) {
        if self.shrunk_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        self.shrunk_at = Some(Instant::now());
        if self.connection.opened().is_none() || self.connection.is_removed() {
            return;
        }
        let shrunk = self.connection.run(|db| {
            let is_worth_it = is_mostly_unused(db)?;
            if is_worth_it { vacuum(db) } else { Ok(()) }
        });
        if let Err(error) = shrunk {
            tracing::debug!(error = %Causes(&error), "the queue file can't be made shorter now");
        }
    }
}

fn is_mostly_unused(db: &Connection) -> rusqlite::Result<bool> {
    Ok(bytes_unused(db)? >= UNUSED_BYTES_MIN && bytes_used(db)? <= USED_BYTES_MAX)
}

/// The copy is made in memory, because the folder for temporary files may be full; then all of the log is
/// written into the file, which gets its new length by that.
fn vacuum(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.execute_batch("VACUUM")?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
