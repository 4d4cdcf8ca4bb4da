//! A connection to a queue file that outlives no error.
//!
//! Used by the writer thread, by whoever counts beside it, and by the spool. Invariant: a connection on
//! which something failed is never used again, because nobody knows what the failure left behind (an
//! open transaction, a lock); and nothing is called done while a transaction is open or after the file
//! was replaced.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::fault;
use super::schema;

/// A connection that is opened when it is needed, and again after an error.
pub(in crate::queue) struct FileConnection {
    path: PathBuf,
    open: Option<Opened>,
}

struct Opened {
    connection: Connection,
    identity: FileIdentity,
}

/// Which file a path leads to: device and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity(u64, u64);

impl FileIdentity {
    /// None if nothing is there.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }
}

impl FileConnection {
    /// To the queue file at `path`, which is there.
    pub(in crate::queue) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None }
    }

    /// Does something with the connection. Whatever fails, the next one gets a new connection.
    pub(in crate::queue) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut opened = match self.open.take() {
            Some(opened) if self.is_current(&opened) => opened,
            _ => self.open()?,
        };
        let done = work(&mut opened.connection)?;
        if !opened.connection.is_autocommit() {
            return Err(fault::storage("a transaction is open where none should be".to_owned()));
        }
        if !self.is_current(&opened) {
            return Err(fault::storage("the file was replaced by a mended one".to_owned()));
        }
        self.open = Some(opened);
        Ok(done)
    }

    /// Closes it, if it is open.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn is_current(&self, opened: &Opened) -> bool {
        FileIdentity::of(&self.path) == Some(opened.identity)
    }

    fn open(&self) -> rusqlite::Result<Opened> {
        // Before and after: in between it may be replaced.
        let before = FileIdentity::of(&self.path);
        let Some(identity) = before else {
            return Err(fault::storage("the queue file is not there any more".to_owned()));
        };
        let connection = schema::open_again(&self.path)?;
        let opened = Opened { connection, identity };
        if self.is_current(&opened) {
            Ok(opened)
        } else {
            Err(fault::storage("the file was replaced".to_owned()))
        }
    }
}
