//! Whether any process has a database open: who still has it while it is moved writes to the file that was
//! moved, and its end removes the log of the one that is in its place by then.
//!
//! Asked by `restore`, of the kernel: the file itself may be damaged, and what opens it would change it.

use std::fs::File;
use std::path::Path;

use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::error::BackupError;

/// The bytes that `SQLite` locks (its file format has no page there); a connection to a database with a log
/// holds some of them for as long as it is open.
const LOCK_BYTES: (u64, u64) = (0x4000_0000, 512);

/// An error if a process has the database at `path` open. What is not there nobody has.
pub(super) fn ensure_closed(path: &Path) -> Result<(), BackupError> {
    if !path.exists() {
        return Ok(());
    }
    let file = File::open(path).map_err(BackupError::file(path))?;
    let (start, length) = LOCK_BYTES;
    let wanted = Flock { start, length, ..Flock::from(FlockType::WriteLock) };
    let held =
        fcntl_getlk(&file, &wanted).map_err(|error| BackupError::file(path)(error.into()))?;
    if held.is_some() {
        return Err(BackupError::Open { path: path.to_owned() });
    }
    Ok(())
}
