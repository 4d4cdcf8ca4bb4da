//! The file of `SQLite`'s tables, held open by a connection that does nothing else: as long as it is open,
//! file, log and index stay the files that they are, and it is known whether the path leads to them.
//!
//! Made by `pool` for each pool, asked by `primary` before each transaction and by `transaction` around each
//! commit: what is committed into a file that was removed is gone with the process. Invariant: of one file
//! this process never has two logs, so a file whose log was removed is left by all connections before one
//! opens it again.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions, Connection, Row, SqliteConnection};
use tokio::sync::Mutex;

use crate::open_files::OpenFiles;
use crate::store::sql::error::{FileChange, FileLost};

/// The file that `url` names; none if it names no file.
pub fn file_of(url: &str) -> Option<PathBuf> {
    let options: SqliteConnectOptions = url.strip_prefix("sqlite:").and(url.parse().ok())?;
    let is_memory = url.contains(":memory:") || url.contains("mode=memory");
    (!is_memory).then(|| options.get_filename().to_owned())
}

/// The file of a pool.
pub(in crate::store) struct SqliteFile {
    path: PathBuf,
    files: OpenFiles,
    /// `SQLite` opens what can't be written for reading alone, and writes nothing through an index that was
    /// opened so for as long as any connection of the process has it open.
    is_read_only: bool,
    /// None once everything is closed.
    anchor: Mutex<Option<SqliteConnection>>,
}

impl SqliteFile {
    /// Opens the file, as `options` say; none if it is no file but memory.
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Option<Self>, sqlx::Error> {
        let path = options.get_filename().to_owned();
        let mut anchor = options.connect().await?;
        // Reads, and thereby opens log and index.
        let sql = "SELECT file, (SELECT count(*) FROM sqlite_schema) FROM pragma_database_list \
                   WHERE name = 'main'";
        let told: String = sqlx::query(sql).fetch_one(&mut anchor).await?.try_get(0)?;
        if told.is_empty() {
            return Ok(None);
        }
        let files = OpenFiles::of(&path).ok_or_else(|| {
            let problem = format!("{} has no -wal and -shm file beside it", path.display());
            sqlx::Error::Io(std::io::Error::other(problem))
        })?;
        let is_read_only = !is_writable(&path);
        Ok(Some(Self { path, files, is_read_only, anchor: Mutex::new(Some(anchor)) }))
    }

    /// What became of it; none if all is as it was.
    pub(in crate::store) fn lost(&self) -> Option<FileLost> {
        let (files, path) = (&self.files, &self.path);
        if files.are_at(path) {
            return None;
        }
        let change = if files.is_file_at(path) {
            if files.has_strange_log() { FileChange::LogReplaced } else { FileChange::LogRemoved }
        } else if files.are_replaced_at(path) {
            FileChange::Replaced
        } else {
            FileChange::Removed
        };
        Some(FileLost { path: path.clone(), change })
    }

    /// Whether it was opened on a read-only disk that can be written by now: it has to be opened again.
    pub(super) fn is_writable_again(&self) -> bool {
        self.is_read_only && is_writable(&self.path)
    }

    /// Brings what is in a removed log into the file. True if the file can be closed and opened again.
    pub(super) async fn save_log(&self, lost: &FileLost) -> Result<bool, sqlx::Error> {
        let mut anchor = self.anchor.lock().await;
        let Some(connection) = anchor.as_mut() else { return Ok(true) };
        match lost.change {
            FileChange::LogRemoved => {}
            // Beside the other file it would be taken for that one's.
            FileChange::Replaced if self.files.has_its_log() => {}
            FileChange::LogReplaced | FileChange::Removed | FileChange::Replaced => {
                return Ok(false);
            }
        }
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
        let is_whole = row.try_get::<i64, _>(0)? == 0;
        Ok(is_whole && lost.change == FileChange::LogRemoved)
    }

    /// Closes it, after all others of the pool.
    pub(super) async fn close(&self) -> Result<(), sqlx::Error> {
        match self.anchor.lock().await.take() {
            Some(anchor) => anchor.close().await,
            None => Ok(()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// By right and disk. Asked, not tried: closing the file would give back the locks on it.
fn is_writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}
