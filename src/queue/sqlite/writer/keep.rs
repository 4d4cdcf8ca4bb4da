//! Keeps the queue file where it belongs: before each transaction and some times in between it is looked
//! whether the path still leads to what is open.

use std::sync::{Mutex, MutexGuard, TryLockError};

use super::Writer;
use crate::open_files::FileIdentity;
use crate::queue::QueueError;
use crate::queue::sqlite::file_connection::FileConnection;
use crate::queue::sqlite::file_mark::{FileMark, note_unsure};
use crate::queue::sqlite::restore::{is_hopeless, restore};
use crate::queue::sqlite::{fault, schema};
use crate::telemetry::outage_log::DueLine;

impl Writer {
    /// Opens the file if it is not open, and writes it anew if it was removed. An error: nothing can be
    /// written now.
    pub(super) fn keep_files(&mut self, now_ms: i64) -> rusqlite::Result<()> {
        if self.connection.opened().is_none() || self.connection.is_removed() {
            let kept = self.restore(now_ms).and_then(|()| self.reopen(now_ms));
            if let Err(error) = kept {
                if let Some(DueLine { error, .. }) = self.files_log.failed(&error) {
                    tracing::error!(
                        error,
                        "the queue file can't be used: nothing is taken or given out"
                    );
                }
                return Err(match error {
                    QueueError::Sqlite(error) => error,
                    error => fault::storage(error.to_string()),
                });
            }
        }
        self.files_log.worked();
        self.seen_at_ms = now_ms;
        Ok(())
    }

    /// From whichever connection still has it open. Both are closed then: of one file, a process must not
    /// have two logs.
    fn restore(&mut self, now_ms: i64) -> Result<(), QueueError> {
        let path = self.connection.path().to_owned();
        let mut reader = if_free(&self.reader);
        let removed = |connection: &&FileConnection| connection.is_removed();
        let reading = reader.as_deref().filter(removed);
        let holder = Some(&self.connection).filter(removed).or(reading);
        let Some(opened) = holder.and_then(FileConnection::opened) else { return Ok(()) };
        match restore(opened, self.known, &path, now_ms) {
            Err(error) if !is_hopeless(&error) => return Err(error),
            // It is as if nobody had it open.
            Err(error) => {
                tracing::error!(%error, "what was in the queue file that was removed can't be read");
            }
            Ok(()) => {}
        }
        self.connection.close();
        if let Some(reader) = &mut reader {
            reader.close();
        }
        Ok(())
    }

    /// Closes what may have been opened on a disk that was read-only: `SQLite` writes nothing through an index
    /// that was opened so, for as long as any connection of the process has it open. It is opened again when
    /// it is next used.
    pub(super) fn close_read_only(&mut self) {
        if !self.connection.is_removed() {
            self.connection.close();
        }
        if let Some(mut reader) = if_free(&self.reader).filter(|reader| !reader.is_removed()) {
            reader.close();
        }
    }

    /// Opens it, and makes it if it is not there. What was in it may be lost then.
    pub(super) fn reopen(&mut self, now_ms: i64) -> Result<(), QueueError> {
        let path = self.connection.path().to_owned();
        self.connection.close();
        let is_there = FileIdentity::of(&path).is_some();
        if !is_there || !schema::is_made(&schema::open_again(&path)?)? {
            schema::prepare(&path)?;
        }
        self.connection.open_if_needed()?;
        let (known, seen_at_ms) = (self.known, self.seen_at_ms);
        let mark = self.connection.run(|db| {
            let mark = FileMark::read(db)?;
            if is_lost(known, mark) {
                note_unsure(db, seen_at_ms, now_ms)?;
            }
            Ok(mark)
        })?;
        if is_lost(known, mark) {
            tracing::error!(
                path = %path.display(),
                "the queue file or its log was removed or replaced, and nothing had it open: what was in it \
                 may be lost, `status` says so until it is settled"
            );
        }
        self.known = mark;
        self.held.set_mark(mark);
        Ok(())
    }
}

/// The connection that counts, unless it is at it.
fn if_free(reader: &Mutex<FileConnection>) -> Option<MutexGuard<'_, FileConnection>> {
    match reader.try_lock() {
        Ok(reader) => Some(reader),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Whether what was known to be in the file may not be in this one.
fn is_lost(known: Option<FileMark>, mark: Option<FileMark>) -> bool {
    known.is_some_and(|known| mark.is_none_or(|mark| !mark.continues(&known)))
}
