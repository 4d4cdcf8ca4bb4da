//! A connection to a queue file that outlives no error.
//!
//! Used by the writer thread and by whoever counts beside it. Invariant: a connection on which something
//! failed is never used again, because nobody knows what the failure left behind (an open transaction, a
//! lock); and nothing is called done while a transaction is open, or unless the file, its log and its
//! index are still those that the path leads to: what is in a file that was removed dies with the process.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::fault;
use super::held_file::HeldFile;
use super::schema;
use crate::open_files::{FileIdentity, OpenFiles};

/// A connection that is opened when it is needed, and again after an error.
pub(in crate::queue) struct FileConnection {
    path: PathBuf,
    open: Option<Opened>,
    /// Which files the writer of this process has open.
    held: HeldFile,
    /// It is the writer's.
    is_writers: bool,
}

/// One that is open, and the files that it has.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) files: OpenFiles,
}

impl FileConnection {
    /// To the queue file at `path`, which is there.
    pub(super) fn new(path: &Path, held: HeldFile) -> Self {
        Self { path: path.to_owned(), open: None, held, is_writers: false }
    }

    /// The writer's, whose files the others must have as well. It is opened by the writer alone, who looks
    /// first what became of them.
    pub(super) fn of_writer(path: &Path, held: HeldFile) -> Self {
        Self { is_writers: true, ..Self::new(path, held) }
    }

    /// Does something with the connection. Whatever fails, the next one gets a new connection; but one to
    /// files that were removed is kept, because nothing else leads to what they hold.
    pub(in crate::queue) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if !self.is_writers {
            self.open_if_needed()?;
        }
        let Some(mut opened) = self.open.take() else {
            return Err(fault::storage("the queue file is not open".to_owned()));
        };
        if !opened.files.are_at(&self.path) {
            self.open = Some(opened);
            return Err(fault::removed(&self.path));
        }
        let done = work(&mut opened.connection);
        if !opened.files.are_at(&self.path) {
            self.open = Some(opened);
            return Err(fault::removed(&self.path));
        }
        let is_at_rest = opened.connection.is_autocommit();
        if done.is_err() || !is_at_rest {
            drop(opened);
            self.close();
            done?;
            return Err(fault::storage("a transaction is open where none should be".to_owned()));
        }
        self.open = Some(opened);
        done
    }

    /// Opens it unless it is open. An error if its files were removed meanwhile.
    pub(super) fn open_if_needed(&mut self) -> rusqlite::Result<()> {
        match &self.open {
            Some(opened) if opened.files.are_at(&self.path) => return Ok(()),
            // What other connections of this process have open may still be the removed one.
            Some(opened) if !opened.files.are_left_at(&self.path) => {
                return Err(fault::removed(&self.path));
            }
            _ => self.open = None,
        }
        if !self.is_writers {
            self.held.check(&self.path)?;
        }
        let opened = self.open()?;
        if self.is_writers {
            self.held.set_files(Some(opened.files.clone()));
        }
        self.open = Some(opened);
        Ok(())
    }

    /// Whether it is open, and its files are not those that the path leads to.
    pub(super) fn is_removed(&self) -> bool {
        self.open.as_ref().is_some_and(|opened| !opened.files.are_at(&self.path))
    }

    /// What is open.
    pub(super) fn opened(&self) -> Option<&Opened> {
        self.open.as_ref()
    }

    /// Closes it, if it is open.
    pub(super) fn close(&mut self) {
        self.open = None;
        if self.is_writers {
            self.held.set_files(None);
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> rusqlite::Result<Opened> {
        // Before and after: in between it may be replaced.
        let before = FileIdentity::of(&self.path).ok_or_else(|| fault::removed(&self.path))?;
        let connection = schema::open_again(&self.path)?;
        match OpenFiles::of(&self.path) {
            Some(files) if files.is_of(before) => Ok(Opened { connection, files }),
            _ => Err(fault::storage("the file was replaced".to_owned())),
        }
    }
}
