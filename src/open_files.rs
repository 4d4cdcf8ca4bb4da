//! Which files a connection to an `SQLite` database has open: the file, its log (WAL) and its index (`-shm`).
//!
//! Asked by `queue/sqlite` and `store/connect` before and after everything that is done with them. `SQLite`
//! itself goes on writing to files that were removed or replaced, and its commits succeed. Its own last
//! connection removes log and index, and a checkpoint cuts the log back; but as long as one connection is
//! open, both stay the files that they are, whoever else opens and closes them. They are looked at by path
//! and never opened here: closing them would give back the locks that this process holds on them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Which file a path leads to: device and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity(u64, u64);

impl FileIdentity {
    /// None if nothing is there.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }
}

/// The files of an open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    file: FileIdentity,
    log: (PathBuf, FileIdentity),
    index: (PathBuf, FileIdentity),
}

impl OpenFiles {
    /// What the path leads to, asked right after opening; none if something is not there.
    pub fn of(path: &Path) -> Option<Self> {
        // SQLite follows links before it adds the endings.
        let real = path.canonicalize().ok()?;
        let beside = |suffix| {
            let path = with_suffix(&real, suffix);
            FileIdentity::of(&path).map(|identity| (path, identity))
        };
        Some(Self { file: FileIdentity::of(path)?, log: beside("-wal")?, index: beside("-shm")? })
    }

    /// Whether the path still leads to all of them.
    pub fn are_at(&self, path: &Path) -> bool {
        self.is_file_at(path) && [&self.log, &self.index].into_iter().all(is_there)
    }

    /// Whether the path still leads to the file, whatever became of log and index.
    pub fn is_file_at(&self, path: &Path) -> bool {
        FileIdentity::of(path) == Some(self.file)
    }

    /// Whether the path leads to another file.
    pub fn are_replaced_at(&self, path: &Path) -> bool {
        FileIdentity::of(path).is_some_and(|there| there != self.file)
    }

    /// Whether the path leads to another file, beside which are other logs and indexes than the open ones:
    /// only then may this process open it as well.
    pub fn are_left_at(&self, path: &Path) -> bool {
        self.are_replaced_at(path) && ![&self.log, &self.index].into_iter().any(is_there)
    }

    /// Whether it is this file.
    pub fn is_of(&self, file: FileIdentity) -> bool {
        self.file == file
    }

    /// Whether the log beside the file is the one that is open.
    pub fn has_its_log(&self) -> bool {
        is_there(&self.log)
    }

    /// Whether somebody else made a log beside the file and wrote into it.
    pub fn has_strange_log(&self) -> bool {
        !self.has_its_log() && fs::metadata(&self.log.0).is_ok_and(|log| log.len() > 0)
    }
}

fn is_there((path, identity): &(PathBuf, FileIdentity)) -> bool {
    FileIdentity::of(path) == Some(*identity)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
