//! Setting a damaged queue file aside, so that the start goes on and nothing of it is thrown away.
//!
//! Called by `SqliteQueue::open_or_set_aside`. What must stay true: the file is renamed, never
//! changed or removed, and its log goes with it, because that holds the latest webhooks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::queue::QueueError;

/// Renames the file and its log to `<name>.damaged-<now_ms>`; says where they are now.
pub(super) fn set_aside(path: &Path, now_ms: i64) -> Result<PathBuf, QueueError> {
    let aside = with_suffix(path, &format!(".damaged-{now_ms}"));
    // The log first: a crash in between must not leave an old log beside a new file.
    for suffix in ["-wal", "-shm", ""] {
        let from = with_suffix(path, suffix);
        match fs::rename(&from, with_suffix(&aside, suffix)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(stuck(&from, &error)),
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn stuck(path: &Path, error: &io::Error) -> QueueError {
    QueueError::File {
        path: path.display().to_string(),
        problem: format!("it is damaged and can't be set aside: {error}"),
    }
}
