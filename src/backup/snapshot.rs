//! One `SQLite` database as it is at one instant, for as long as somebody copies it.
//!
//! Used by `cut`. Writers go on meanwhile, but the log (`-wal`) can't be cut back before this is dropped: it
//! grows by what they write.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::BackupError;

/// Pages that are copied between two looks at the progress.
const PAGES: i32 = 4096;

/// How long it waits for a lock on the database.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection whose transaction sees the database as it was when it was taken.
pub(super) struct Snapshot {
    name: &'static str,
    path: PathBuf,
    connection: Connection,
}

impl Snapshot {
    /// Of the database at `path`, which is there and has a log, as it is now.
    pub(super) fn take(name: &'static str, path: &Path) -> Result<Self, BackupError> {
        let open = || -> rusqlite::Result<Connection> {
            let flags = OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE;
            let connection = Connection::open_with_flags(path, flags)?;
            // Only the first read fixes what the transaction sees.
            connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
            Ok(connection)
        };
        let connection = open().map_err(BackupError::database(path))?;
        Ok(Self { name, path: path.to_owned(), connection })
    }

    /// What it is called in a backup.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Writes it to a new file, which is on the disk then; `progress` gets pages done and pages in all.
    pub(super) fn copy_to(
        &self,
        to: &Path,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), BackupError> {
        let mut copy = Connection::open(to).map_err(BackupError::database(to))?;
        self.copy_into(&mut copy, progress).map_err(BackupError::database(&self.path))?;
        copy.close().map_err(|(_, error)| BackupError::database(to)(error))?;
        check(to)
    }

    /// The transaction that is open is the one that is copied, so no write begins it anew.
    fn copy_into(
        &self,
        copy: &mut Connection,
        progress: &mut dyn FnMut(u64, u64),
    ) -> rusqlite::Result<()> {
        let backup = Backup::new(&self.connection, copy)?;
        loop {
            match backup.step(PAGES)? {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                // A checkpoint or another reader has the file for a moment.
                _ => thread::sleep(PAUSE),
            }
            let told = backup.progress();
            let [left, all] =
                [told.remaining, told.pagecount].map(|it| u64::from(it.unsigned_abs()));
            progress(all - left.min(all), all);
        }
    }
}

/// Reads the whole database at `path`: what can't be read now can't be put back later.
pub(super) fn check(path: &Path) -> Result<(), BackupError> {
    let open = || -> rusqlite::Result<String> {
        let connection = Connection::open(path)?;
        let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        // Else its log stays beside it.
        connection.close().map_err(|(_, error)| error)?;
        Ok(found)
    };
    match open().map_err(BackupError::database(path))? {
        found if found == "ok" => Ok(()),
        found => Err(BackupError::Damaged { path: path.to_owned(), found }),
    }
}
