//! Whether the file would take a webhook now: its room, and a write.
//!
//! Called by `sqlite.rs` when no webhook came for a while. On a connection of its own, so that a thread
//! that hangs on the disk is not what is asked.

use std::path::Path;

use rusqlite::TransactionBehavior;

use super::schema::open_again;
use super::statements::bytes_used;
use crate::queue::{FileDepth, QueueError};

/// Writes durably. What is written differs each time, for SQLite writes no page that stays the same.
pub(super) fn probe(path: &Path, bytes_max: u64) -> Result<(), QueueError> {
    let mut connection = open_again(path)?;
    let write = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let file = FileDepth { bytes: bytes_used(&write)?, bytes_max, ..FileDepth::default() };
    if !file.has_room() {
        return Err(QueueError::Full { bytes: file.bytes, bytes_max });
    }
    write.execute(
        "INSERT INTO counters VALUES ('probes', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
        [],
    )?;
    Ok(write.commit()?)
}
