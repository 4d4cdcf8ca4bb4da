//! What the writer of a process has open and has written, for others of the process.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fault;
use super::file_mark::FileMark;
use crate::open_files::OpenFiles;

/// What the writer of a process has open, for others of the process.
#[derive(Clone, Default)]
pub(super) struct HeldFile(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    files: Option<OpenFiles>,
    mark: Option<FileMark>,
}

impl HeldFile {
    /// The writer has these files open now.
    pub(super) fn set_files(&self, files: Option<OpenFiles>) {
        self.lock().files = files;
    }

    /// The writer has committed.
    pub(super) fn set_mark(&self, mark: Option<FileMark>) {
        self.lock().mark = mark;
    }

    /// What the file was when the writer last looked.
    pub(super) fn mark(&self) -> Option<FileMark> {
        self.lock().mark
    }

    /// An error if the path leads to a part of what the writer has open: a second connection of one process
    /// would share the writer's index and have another log, or the other way round.
    pub(super) fn check(&self, path: &Path) -> rusqlite::Result<()> {
        match &self.lock().files {
            Some(files) if !files.are_at(path) && !files.are_left_at(path) => {
                Err(fault::removed(path))
            }
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
