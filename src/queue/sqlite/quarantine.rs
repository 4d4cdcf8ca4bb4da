//! Keeping a damaged or strange queue file, so that nothing of it is thrown away.
//!
//! Called by `rescue` and `restore`. Invariant: the file gets another name and is never changed or removed, its log
//! goes with it because that holds the latest webhooks, and at no instant is there no queue file.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{damaged_row, with_suffix};
use crate::queue::QueueError;

/// Puts the file `fresh` into the place of `path`. If something is there, it becomes
/// `<name>.<why>-<now_ms>`; says where that is.
pub(super) fn replace(
    path: &Path,
    fresh: &Path,
    why: &str,
    now_ms: i64,
) -> Result<PathBuf, QueueError> {
    let kept = with_suffix(path, &format!(".{why}-{now_ms}"));
    let failed = |error: io::Error| stuck(path, &error);
    // The log first: a crash in between must not leave an old log beside a fresh file.
    for suffix in ["-wal", "-shm"] {
        rename_if_there(&with_suffix(path, suffix), &with_suffix(&kept, suffix)).map_err(failed)?;
    }
    if fs::hard_link(path, &kept).is_err() {
        // Not every file system has hard links; then there is no file for an instant.
        rename_if_there(path, &kept).map_err(failed)?;
    }
    fs::rename(fresh, path).map_err(failed)?;
    damaged_row::sync_folder(path).map_err(failed)?;
    Ok(kept)
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

fn stuck(path: &Path, error: &io::Error) -> QueueError {
    QueueError::File {
        path: path.display().to_string(),
        problem: format!("another file can't be put into its place: {error}"),
    }
}
