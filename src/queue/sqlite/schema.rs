//! The queue file: opening it, its settings and its tables.
//!
//! Called by `sqlite.rs`. What must stay true: nothing in a file that isn't our queue is changed, and
//! every connection that writes is durable at COMMIT (WAL with `synchronous=FULL`).

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};

use crate::queue::QueueError;

/// Marks the file as ours: "WAHQ".
const APPLICATION_ID: i64 = 0x5741_4851;

/// Version of the tables below; a higher one was made by a newer release.
const VERSION: i64 = 1;

/// For new files. Bodies of 2.5 KB, 64 publishers: 4096, 8192 and 16384 all publish about 33,000 and
/// drain about 40,000 webhooks a second on two idle cores; 16384 takes a fifth less disk but drained
/// slowest. `auto_vacuum` would cost a tenth, and what was deleted is used again without it.
const PAGE_BYTES: i64 = 8192;

/// The log is copied into the file when it has this many pages (4 MB). With 8000 nothing is faster,
/// but the slowest publish takes 75 ms instead of 9.
const CHECKPOINT_PAGES: i64 = 500;

/// The log file is cut back to this after a burst.
const LOG_BYTES_MAX: i64 = 64 << 20;

/// Cache of the connection that writes.
const CACHE_KIB: i64 = 32 << 10;

/// How long a connection waits for another process' transaction: this many times [`BUSY_PAUSE`].
const BUSY_TRIES_MAX: i32 = 5000;

/// Short and constant. `SQLite`'s own handler waits ever longer, so that a process would starve
/// beside another one that writes without a break.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// - `webhooks` is written once and never changed.
/// - `deliveries` has one small row for each, so that a claim does not rewrite a body.
///   `due_at_ms` says from when it may be claimed: 0 at once, whatever the clock says; after a
///   failure the time of the next attempt; in hand the end of the lease. `lease` is the tag of the
///   delivery while it is in hand. `handed_out` never goes back to 0.
/// - `deliveries_by_due` serves claims (oldest first) and, without touching the table, the depth.
/// - `deliveries_by_age` serves the age of the oldest.
const TABLES: &str = "
    CREATE TABLE webhooks (
        seq INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        session TEXT NOT NULL,
        event_type TEXT NOT NULL,
        webhook_id TEXT NOT NULL,
        receipt INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        received_at_ms INTEGER NOT NULL,
        replay INTEGER NOT NULL,
        headers TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE deliveries (
        seq INTEGER PRIMARY KEY,
        lane TEXT NOT NULL,
        due_at_ms INTEGER NOT NULL,
        lease INTEGER,
        handed_out INTEGER NOT NULL,
        replay INTEGER NOT NULL,
        received_at_ms INTEGER NOT NULL,
        failures TEXT
    ) STRICT;
    CREATE INDEX deliveries_by_due ON deliveries (lane, due_at_ms, lease);
    CREATE INDEX deliveries_by_age ON deliveries (lane, received_at_ms);
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counters VALUES ('accepted', 0);
";

/// Opens the queue file at `path`, or makes it. [`QueueError::File`]: it isn't ours to use.
pub(super) fn open(path: &Path) -> Result<Connection, QueueError> {
    let mut connection = Connection::open(path)?;
    connection.busy_handler(Some(pause))?;
    if !refuse_foreign(&connection, path)? {
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        into_wal(&connection)?;
        make_tables(&mut connection, path)?;
    }
    settle(&connection)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    probe(&connection)?;
    Ok(connection)
}

/// One more connection to a file that [`open`] has seen.
pub(super) fn open_again(path: &Path) -> Result<Connection, QueueError> {
    let connection = Connection::open(path)?;
    connection.busy_handler(Some(pause))?;
    settle(&connection)?;
    Ok(connection)
}

/// Whether an error says that the file is damaged, so that opening it again will not help.
pub(super) fn is_damage(error: &QueueError) -> bool {
    let QueueError::Sqlite(error) = error else { return false };
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn pause(tries: i32) -> bool {
    thread::sleep(BUSY_PAUSE);
    tries < BUSY_TRIES_MAX
}

/// Whether the tables are there; an error if they are another program's or another release's.
fn refuse_foreign(connection: &Connection, path: &Path) -> Result<bool, QueueError> {
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if objects == 0 {
        return Ok(false);
    }
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(unusable(path, "it is a database of something else".to_owned()));
    }
    let version = pragma(connection, "user_version")?;
    if version != VERSION {
        return Err(unusable(
            path,
            format!("its format is {version}, this release reads {VERSION}: use the newer release"),
        ));
    }
    Ok(true)
}

fn unusable(path: &Path, problem: String) -> QueueError {
    QueueError::File { path: path.display().to_string(), problem }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    into_wal(connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// Two processes may start at once, and for this change `SQLite` does not ask the busy handler.
fn into_wal(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        let changed = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match changed {
            Ok(_) => return Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                if !pause(tries) {
                    return Err(error);
                }
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Another process may have made them since: this looks again under the write lock.
fn make_tables(connection: &mut Connection, path: &Path) -> Result<(), QueueError> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    if !refuse_foreign(&transaction, path)? {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Meets damage now, when the file can still be set aside, and not at the first webhook. The small
/// tables are walked whole, of the bodies only the ends: walking all would hold up the start.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["counters", "deliveries"] {
        let found: String =
            connection.query_row(&format!("PRAGMA quick_check({table})"), [], |row| row.get(0))?;
        if found != "ok" {
            return Err(damage(found));
        }
    }
    for order in ["ASC", "DESC"] {
        connection
            .query_row(
                &format!("SELECT body FROM webhooks ORDER BY seq {order} LIMIT 1"),
                [],
                |row| row.get::<_, Vec<u8>>(0),
            )
            .optional()?;
    }
    Ok(())
}

fn damage(found: String) -> rusqlite::Error {
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(corrupt, Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kill shows nothing of this; only a power cut would.
    #[test]
    fn every_commit_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        for connection in [open(&path).unwrap(), open_again(&path).unwrap()] {
            let full = 2;
            assert_eq!(pragma(&connection, "synchronous").unwrap(), full);
            let mode = connection
                .pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))
                .unwrap();
            assert_eq!(mode, "wal");
        }
    }
}
