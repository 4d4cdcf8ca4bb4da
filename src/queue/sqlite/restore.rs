//! Writes a queue file anew that was removed or replaced while it was open: as long as it is open, all of
//! it is there, though nothing else leads to it.
//!
//! Called by the writer thread. Invariants: nothing that the path leads to by then is thrown away; the
//! file takes its place only when it is whole and on the disk; and one that was made from this one, by
//! another process that met the same, stays.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::fault::{self, Fault};
use super::file_connection::Opened;
use super::file_mark::FileMark;
use super::rescue::{fresh_path, take_turn};
use super::schema::open_existing;
use super::statements::count;
use super::{quarantine, with_suffix};
use crate::queue::QueueError;

/// Puts what is `opened` into the place of `path` again, unless what is there was made from a file that was
/// `known`. An error leaves everything as it is.
pub(super) fn restore(
    opened: &Opened,
    known: Option<FileMark>,
    path: &Path,
    now_ms: i64,
) -> Result<(), QueueError> {
    let _turn = take_turn(path).map_err(|error| stuck(path, &error))?;
    if opened.files.are_at(path) || is_successor_at(path, opened, known) {
        return Ok(());
    }
    copy(opened, path)?;
    if opened.files.has_its_log() {
        // Beside another file it would be taken for that one's.
        remove(&with_suffix(path, "-wal")).map_err(|error| stuck(path, &error))?;
        remove(&with_suffix(path, "-shm")).map_err(|error| stuck(path, &error))?;
    }
    let kept = quarantine::replace(path, &fresh_path(path), "replaced", now_ms)?;
    tracing::error!(
        path = %path.display(),
        replaced_file = kept.exists().then(|| tracing::field::display(kept.display())),
        "the queue file or its log was removed or replaced while it was in use: it was written anew, with \
         all that was in it; what was in its place is kept. Let nobody touch the files of a process that \
         runs"
    );
    Ok(())
}

/// Whether another process was first, or mended the file.
fn is_successor_at(path: &Path, opened: &Opened, known: Option<FileMark>) -> bool {
    let there = || FileMark::read(&open_existing(path)?);
    let there = opened.files.are_left_at(path).then(there).and_then(Result::ok).flatten();
    there.zip(known).is_some_and(|(there, known)| there.succeeds(&known))
}

fn copy(opened: &Opened, path: &Path) -> Result<(), QueueError> {
    let part = with_suffix(path, ".rescued.part");
    remove(&part).map_err(|error| stuck(path, &error))?;
    opened.connection.execute("VACUUM INTO ?1", [part.to_string_lossy()])?;
    let copy = open_existing(&part)?;
    copy.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
    count(&copy, "generation", 1)?;
    copy.close().map_err(|(_, error)| error)?;
    let synced = File::open(&part).and_then(|file| file.sync_all());
    let placed = synced.and_then(|()| fs::rename(&part, fresh_path(path)));
    placed.map_err(|error| stuck(path, &error))
}

/// Whether what is open can't be read back either, so that trying again does not help.
pub(super) fn is_hopeless(error: &QueueError) -> bool {
    matches!(error, QueueError::Sqlite(error) if fault::of(error) == Fault::Damage)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn stuck(path: &Path, error: &io::Error) -> QueueError {
    QueueError::File {
        path: path.display().to_string(),
        problem: format!(
            "it was removed or replaced while it was in use, and can't be written anew: {error}; what is \
             in it is there as long as this process runs. Put the file back, or its folder"
        ),
    }
}
