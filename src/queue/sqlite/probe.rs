//! Whether the file would take a webhook now: its room, and a write that changes nothing.
//!
//! Called by `sqlite.rs` when no webhook came for a while. On a connection of its own, so that a thread
//! that hangs on the disk is not what is asked.

use std::path::Path;

use rusqlite::TransactionBehavior;

use super::schema::open_again;
use super::statements::bytes_used;
use crate::queue::{FileDepth, QueueError};

/// Writes what is there once more, durably.
pub(super) fn probe(path: &Path, bytes_max: u64) -> Result<(), QueueError> {
    let mut connection = open_again(path)?;
    let write = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let file = FileDepth { bytes: bytes_used(&write)?, bytes_max, ..FileDepth::default() };
    if !file.has_room() {
        return Err(QueueError::Full { bytes: file.bytes, bytes_max });
    }
    write.execute("UPDATE counters SET value = value WHERE name = 'accepted'", [])?;
    Ok(write.commit()?)
}
