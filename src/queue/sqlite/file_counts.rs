//! Exact counts, for the equation that `status` prints.
//!
//! Called through `SqliteQueue::census` and `freeze`. Invariant: all figures of one census are of one
//! instant.

use rusqlite::{Connection, OptionalExtension, Row};

use super::file_mark::{self, FileMark};
use super::{SqliteQueue, blocking, schema};
use crate::queue::QueueError;
use crate::webhook::{Receipt, WebhookKey};

/// What the queue file holds at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCounts {
    /// Webhooks ever taken in at the door: counted in the transactions that published them.
    pub accepted: u64,
    /// Of those, how many are still here.
    pub waiting: u64,
    /// Replays that are still here; not part of `waiting`.
    pub replays: u64,
    /// Those of `waiting` that were handed out at least once, in hand now or given back since:
    /// the only ones that the ledger may know already, because an ack comes after the outcome.
    pub handed_out: Vec<(WebhookKey, Receipt)>,
    /// Those that were handed out and whose key or receipt can't be read: whether the ledger knows them
    /// already, nobody can say.
    pub unreadable: u64,
    /// Accepted ones that can't be handed out because of damage: in the file of what was set aside.
    pub set_aside: u64,
    /// Accepted ones that damage took, of which no more is known than their number.
    pub missing: u64,
    /// Which file it is, and how far it has come; none of one that has no name yet.
    pub mark: Option<FileMark>,
    /// From when to when a former file, or what was not in it yet, was lost, ms since 1970: what it held
    /// may be counted nowhere.
    pub unsure_ms: Option<(i64, i64)>,
}

impl FileCounts {
    /// Accepted ones that damage took.
    pub fn gone(&self) -> u64 {
        self.set_aside + self.missing
    }
}

impl SqliteQueue {
    /// Counts at one instant, while the queue moves on.
    pub async fn census(&self) -> Result<FileCounts, QueueError> {
        self.read(read).await
    }

    /// Keeps the file as it is until [`Frozen`] is let go, so that something else can be looked at at the
    /// same instant. Holds up all processes that use the file.
    pub async fn freeze(&self) -> Result<Frozen, QueueError> {
        let (path, held) = (self.0.path.clone(), self.0.held.clone());
        blocking(move || {
            held.check(&path)?;
            let (lock, reader) = (schema::open_again(&path)?, schema::open_again(&path)?);
            Ok(Frozen::take(lock, reader)?)
        })
        .await
    }

    /// Counts at an instant that is over, while the queue moves on.
    pub async fn census_of(&self, instant: FileInstant) -> Result<FileCounts, QueueError> {
        let counted = blocking(move || Ok(instant.census()?)).await;
        self.notice(&counted);
        counted
    }
}

/// Keeps a queue file as it is: nobody publishes, claims or ends anything until this is dropped or let go.
///
/// Whoever tries waits, for five seconds at most: hold it for as short as possible.
#[must_use = "dropped, the queue moves on"]
pub struct Frozen {
    /// Holds the write lock of a transaction that is never committed; closing it ends that.
    lock: Connection,
    instant: FileInstant,
}

/// A queue file as it was at one instant, however it has moved on since.
pub struct FileInstant {
    /// In a transaction that reads; nobody waits for it.
    connection: Connection,
}

impl Frozen {
    /// Takes the write lock, then looks, so that nothing is in between.
    fn take(lock: Connection, reader: Connection) -> rusqlite::Result<Self> {
        lock.execute_batch("BEGIN IMMEDIATE")?;
        reader.execute_batch("BEGIN")?;
        counter(&reader, "accepted")?;
        Ok(Self { lock, instant: FileInstant { connection: reader } })
    }

    /// Lets the queue move on, and keeps what it was.
    pub fn let_go(self) -> FileInstant {
        drop(self.lock);
        self.instant
    }
}

impl FileInstant {
    /// Counts, which takes the longer the more waits.
    fn census(&self) -> rusqlite::Result<FileCounts> {
        count(&self.connection)
    }
}

/// Counts, in a snapshot of its own.
pub(super) fn read(db: &Connection) -> rusqlite::Result<FileCounts> {
    count(&*db.unchecked_transaction()?)
}

fn count(db: &Connection) -> rusqlite::Result<FileCounts> {
    let (all, replays): (i64, i64) =
        db.query_row("SELECT count(*), ifnull(sum(replay), 0) FROM deliveries", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let handed_out = handed_out(db)?;
    let (readable, unreadable): (Vec<_>, Vec<_>) = handed_out.into_iter().partition(Result::is_ok);
    Ok(FileCounts {
        accepted: counter(db, "accepted")?,
        waiting: (all - replays).unsigned_abs(),
        replays: replays.unsigned_abs(),
        handed_out: readable.into_iter().flatten().collect(),
        unreadable: unreadable.len() as u64,
        set_aside: counter(db, "set_aside")?,
        missing: counter(db, "missing")?,
        mark: FileMark::read(db)?,
        unsure_ms: file_mark::unsure(db)?,
    })
}

/// A counter; 0 if nothing was counted yet.
pub(super) fn counter(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: Option<i64> = db
        .prepare_cached("SELECT value FROM counters WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(value.unwrap_or_default().unsigned_abs())
}

/// Of each, its key and receipt, or why they can't be read. The outer error is the file's.
fn handed_out(db: &Connection) -> rusqlite::Result<Vec<rusqlite::Result<(WebhookKey, Receipt)>>> {
    let mut statement = db.prepare_cached(
        "SELECT w.source, w.session, w.event_type, w.webhook_id, w.receipt
         FROM deliveries d LEFT JOIN webhooks w ON w.seq = d.seq
         WHERE d.handed_out = 1 AND d.replay = 0",
    )?;
    let mut rows = statement.query([])?;
    let mut handed_out = Vec::new();
    while let Some(row) = rows.next()? {
        handed_out.push(key_and_receipt(row));
    }
    Ok(handed_out)
}

fn key_and_receipt(row: &Row) -> rusqlite::Result<(WebhookKey, Receipt)> {
    let key = WebhookKey {
        source: row.get(0)?,
        session: row.get(1)?,
        event_type: row.get(2)?,
        id: row.get(3)?,
    };
    Ok((key, Receipt(row.get(4)?)))
}
