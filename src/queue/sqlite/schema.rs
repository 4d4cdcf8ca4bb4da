//! The queue file: opening it, its settings and its tables.
//!
//! Called by `sqlite.rs`. Invariant: nothing in a file that isn't our queue is changed, and
//! every connection that writes is durable at COMMIT (WAL with `synchronous=FULL`).

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior,
};

use super::{fault, with_suffix};
use crate::queue::QueueError;

/// Marks the file as ours: "WAHQ".
const APPLICATION_ID: i64 = 0x5741_4851;

/// Version of the tables below; a higher one was made by a newer release.
const VERSION: i64 = 2;

/// For new files. Bodies of 2.5 KB, 64 publishers: 4096, 8192 and 16384 all publish about 33,000 and
/// drain about 40,000 webhooks a second on two idle cores; 16384 takes a fifth less disk but drained
/// slowest. `auto_vacuum` would cost a tenth, and what was deleted is used again without it.
pub(super) const PAGE_BYTES: u16 = 8192;

/// The log is copied into the file when it has this many pages (4 MB). With 8000 nothing is faster,
/// but the slowest publish takes 75 ms instead of 9.
const CHECKPOINT_PAGES: i64 = 500;

/// The log file is cut back to this after a burst.
const LOG_BYTES_MAX: i64 = 64 << 20;

/// Cache of a connection.
const CACHE_KIB: i64 = 32 << 10;

/// How long a connection waits for another process' transaction: this many times [`BUSY_PAUSE`].
const BUSY_TRIES_MAX: i32 = 5000;

/// Short and constant. `SQLite`'s own handler waits ever longer, so that a process would starve
/// beside another one that writes without a break.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// - `webhooks` is written once and never changed.
/// - `deliveries` has one small row for each, so that a claim does not rewrite a body.
///   `due_at_ms` says from when it may be claimed: 0 at once, whatever the clock says; after a
///   failure the time of the next attempt; in hand the end of the lease. `wait_ms` is how far ahead
///   that was when it was set: a clock that was wrong then is found out by it. `lease` is the tag of
///   the delivery while it is in hand. `handed_out` never goes back to 0.
/// - `checksum` is of all other columns of its row; none in rows that version 1 stored.
/// - `counters`: `accepted` counts webhooks that were ever taken in, `held` those that are here,
///   `set_aside` and `missing` accepted ones that damage took. Each is kept a second time, because one
///   page that can't be read must not lose them; but for `probes`, which nobody reads. `file_id` and
///   `generation` say whose successor a file is (`file_mark`), `unsure_from_ms` and `unsure_until_ms`
///   when a former file was lost with what was in it.
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
        body BLOB NOT NULL,
        checksum INTEGER
    ) STRICT;
    CREATE TABLE deliveries (
        seq INTEGER PRIMARY KEY,
        lane TEXT NOT NULL,
        due_at_ms INTEGER NOT NULL,
        lease INTEGER,
        handed_out INTEGER NOT NULL,
        replay INTEGER NOT NULL,
        received_at_ms INTEGER NOT NULL,
        failures TEXT,
        wait_ms INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX deliveries_by_due ON deliveries (lane, due_at_ms, lease);
    CREATE INDEX deliveries_by_age ON deliveries (lane, received_at_ms);
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counters VALUES ('accepted', 0), ('held', 0);
";

/// Which file it is; older ones get a name when they are next opened.
const FILE_ID: &str =
    "INSERT OR IGNORE INTO counters VALUES ('file_id', abs(random() / 2)), ('generation', 0);";

/// The second copy of the counters, written in the same transactions.
const COUNTER_COPIES: &str = "
    CREATE TABLE counter_copies (name TEXT PRIMARY KEY, value INTEGER NOT NULL)
        STRICT, WITHOUT ROWID;
    INSERT INTO counter_copies SELECT name, value FROM counters;
    CREATE TRIGGER copy_new_counter AFTER INSERT ON counters BEGIN
        INSERT OR REPLACE INTO counter_copies VALUES (new.name, new.value);
    END;
    CREATE TRIGGER copy_counter AFTER UPDATE ON counters BEGIN
        UPDATE counter_copies SET value = new.value WHERE name = new.name;
    END;
";

/// From version 1. How long its rows were to wait is not known: a lease as long as the usual one, a
/// retry as long as the usual ladder's last rung.
const FROM_VERSION_1: &str = "
    ALTER TABLE webhooks ADD COLUMN checksum INTEGER;
    ALTER TABLE deliveries ADD COLUMN wait_ms INTEGER NOT NULL DEFAULT 0;
    UPDATE deliveries SET wait_ms = iif(lease IS NULL, 3600000, 10000) WHERE due_at_ms > 0;
    INSERT INTO counters SELECT 'held', count(*) FROM deliveries;
";

/// Makes the queue file at `path`, or looks whether it can be used, and brings it to this version.
///
/// [`QueueError::File`]: it isn't ours to use.
pub(super) fn prepare(path: &Path) -> Result<(), QueueError> {
    let mut connection = Connection::open(path)?;
    wait_when_busy(&connection)?;
    if !matches!(version(&connection, path)?, Some(VERSION)) {
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        into_wal(&connection)?;
        make_tables(&mut connection, path)?;
    }
    settle(&connection)?;
    connection.execute_batch(FILE_ID)?;
    probe(&connection)?;
    Ok(())
}

/// Looks whether the file at `path` is one that [`prepare`] has seen; changes nothing.
///
/// [`QueueError::File`]: it isn't.
pub(super) fn look(path: &Path) -> Result<(), QueueError> {
    let connection = open_again(path)?;
    match version(&connection, path)? {
        Some(VERSION) => Ok(()),
        _ => Err(unusable(path, "no process of this release has used it yet".to_owned())),
    }
}

/// One more connection to a file that [`prepare`] has seen. Makes none.
pub(super) fn open_again(path: &Path) -> rusqlite::Result<Connection> {
    // Who has the file open made both and removes the index first. One without the other: what the index
    // knows is in a log that is gone, and a new log in its place would be taken for that one.
    if with_suffix(path, "-shm").exists() && !with_suffix(path, "-wal").exists() {
        return Err(fault::removed(path));
    }
    let connection = open_existing(path)?;
    wait_when_busy(&connection)?;
    settle(&connection)?;
    Ok(connection)
}

/// Opens a file that must be there.
pub(super) fn open_existing(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE)
}

/// An empty queue file at `path` that nobody else sees yet: nothing is synced.
pub(super) fn make_fresh(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection
        .pragma_update_and_check(None, "journal_mode", "OFF", |row| row.get::<_, String>(0))?;
    make_all(&connection)?;
    Ok(connection)
}

/// The first pages of all trees of our tables but the schema's, which is on the file's first page.
pub(super) fn roots(connection: &Connection) -> rusqlite::Result<Vec<u32>> {
    let mut statement =
        connection.prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Makes a connection wait for another process' transaction.
pub(super) fn wait_when_busy(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_handler(Some(pause))
}

/// Whether an error says that the file is damaged, so that opening it again will not help.
pub(super) fn is_damage(error: &QueueError) -> bool {
    matches!(error, QueueError::Sqlite(error) if fault::of(error) == fault::Fault::Damage)
}

fn pause(tries: i32) -> bool {
    thread::sleep(BUSY_PAUSE);
    tries < BUSY_TRIES_MAX
}

/// Which tables are there, if any; an error if they are another program's or a newer release's.
fn version(connection: &Connection, path: &Path) -> Result<Option<i64>, QueueError> {
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if objects == 0 {
        return Ok(None);
    }
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(unusable(path, "it is a database of something else".to_owned()));
    }
    let version = pragma(connection, "user_version")?;
    if !(1..=VERSION).contains(&version) {
        return Err(unusable(
            path,
            format!("its format is {version}, this release reads {VERSION}: use the newer release"),
        ));
    }
    Ok(Some(version))
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
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
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
    match version(&transaction, path)? {
        None => make_all(&transaction)?,
        Some(VERSION) => {}
        Some(_) => {
            transaction.execute_batch(FROM_VERSION_1)?;
            transaction.execute_batch(COUNTER_COPIES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn make_all(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    connection.execute_batch(FILE_ID)?;
    connection.execute_batch(COUNTER_COPIES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// Whether its tables are there: they are made in one transaction, which says so at its end.
pub(super) fn is_made(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(pragma(connection, "user_version")? > 0)
}

/// Meets damage now, and not at the first webhook. The small tables are walked whole, with their
/// indexes: an entry that says something else than its row would hide that for ever. Of the bodies only
/// the ends: walking all would hold up the start, and claims find the rest.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["counters", "counter_copies", "deliveries"] {
        let sql = format!("PRAGMA integrity_check({table})");
        let found: String = connection.query_row(&sql, [], |row| row.get(0))?;
        if found != "ok" {
            return Err(fault::damage(found));
        }
    }
    let copies: i64 = connection.query_row(
        "SELECT count(*) FROM counters JOIN counter_copies USING (name, value)",
        [],
        |row| row.get(0),
    )?;
    if copies < 2 {
        return Err(fault::damage("the counters and their copies differ".to_owned()));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A kill shows nothing of this; only a power cut would.
    #[test]
    fn every_commit_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        prepare(&path).unwrap();
        let connection = open_again(&path).unwrap();
        let full = 2;
        assert_eq!(pragma(&connection, "synchronous").unwrap(), full);
        let mode = connection
            .pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))
            .unwrap();
        assert_eq!(mode, "wal");
    }
}
