//! Why a backup can't be made or put back.

use std::io;
use std::path::{Path, PathBuf};

use crate::media::storage::StorageError;
use crate::queue::QueueError;

/// Why it can't be done. Whoever calls tells it; nothing half made is left under its name.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The queue can't be made to stand still, or its copy can't be counted.
    #[error("the embedded queue")]
    Queue(#[from] QueueError),
    /// A database can't be read or written.
    #[error("the database {path}")]
    Database {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// What was copied is not whole: so is not what it was copied from.
    #[error("{path} is damaged: {found}")]
    Damaged {
        /// The copy.
        path: PathBuf,
        /// What `SQLite` found first.
        found: String,
    },
    /// Another process makes a backup there.
    #[error("another backup is being made in {folder}")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A process has the database open that is to be replaced.
    #[error("{path} is open in another process: stop that one first")]
    Open {
        /// The database.
        path: PathBuf,
    },
    /// A file can't be read, written or moved.
    #[error("{path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A bucket can't be read or written.
    #[error("{place}")]
    Bucket {
        /// The bucket and the folder in it.
        place: String,
        /// Why.
        source: StorageError,
    },
    /// The folder holds no backup, or none that this release can put back.
    #[error("{folder} is no backup that can be put back: {problem}")]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The task that copied has panicked.
    #[error("copying ended early")]
    Ended,
}

impl BackupError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }

    pub(super) fn bucket(place: &str) -> impl Fn(StorageError) -> Self {
        let place = place.to_owned();
        move |source| Self::Bucket { place: place.clone(), source }
    }

    pub(super) fn database(path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Database { path: path.to_owned(), source }
    }

    pub(super) fn unusable(folder: &Path, problem: impl Into<String>) -> Self {
        Self::Unusable { folder: folder.to_owned(), problem: problem.into() }
    }
}
