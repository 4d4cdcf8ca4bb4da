//! Exact counts, for the equation that `status` prints.
//!
//! Called through `SqliteQueue::census` and `census_frozen`. What must stay true: all figures of one
//! census are of one instant.

use rusqlite::{Connection, Row};

use crate::webhook::{Receipt, WebhookKey};

/// What the queue file holds at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Webhooks ever taken in at the door: counted in the transactions that published them.
    pub accepted: u64,
    /// Of those, how many are still here.
    pub waiting: u64,
    /// Replays that are still here; not part of `waiting`.
    pub replays: u64,
    /// Those of `waiting` that were handed out at least once, in hand now or given back since:
    /// the only ones that the ledger may know already, because an ack comes after the outcome.
    pub handed_out: Vec<(WebhookKey, Receipt)>,
}

/// Keeps a queue file as it is: nobody publishes, claims or ends anything until this is dropped.
///
/// Whoever tries waits, for five seconds at most: hold it for as short as possible.
#[must_use = "dropped, the queue moves on"]
pub struct Frozen {
    /// Holds the write lock of a transaction that is never committed; closing it ends that.
    connection: Connection,
}

impl Frozen {
    /// Takes the write lock.
    pub(super) fn take(connection: Connection) -> rusqlite::Result<Self> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self { connection })
    }

    /// Counts while nothing moves.
    pub(super) fn census(&self) -> rusqlite::Result<Census> {
        count(&self.connection)
    }
}

/// Counts, in a snapshot of its own.
pub(super) fn read(db: &Connection) -> rusqlite::Result<Census> {
    count(&*db.unchecked_transaction()?)
}

fn count(db: &Connection) -> rusqlite::Result<Census> {
    let accepted: i64 =
        db.query_row("SELECT value FROM counters WHERE name = 'accepted'", [], |row| row.get(0))?;
    let (all, replays): (i64, i64) =
        db.query_row("SELECT count(*), ifnull(sum(replay), 0) FROM deliveries", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Census {
        accepted: accepted.unsigned_abs(),
        waiting: (all - replays).unsigned_abs(),
        replays: replays.unsigned_abs(),
        handed_out: handed_out(db)?,
    })
}

fn handed_out(db: &Connection) -> rusqlite::Result<Vec<(WebhookKey, Receipt)>> {
    let mut statement = db.prepare_cached(
        "SELECT w.source, w.session, w.event_type, w.webhook_id, w.receipt
         FROM deliveries d CROSS JOIN webhooks w ON w.seq = d.seq
         WHERE d.handed_out = 1 AND d.replay = 0",
    )?;
    statement.query_map([], key_and_receipt)?.collect()
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
