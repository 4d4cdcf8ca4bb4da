//! How much waits, read beside the writer thread.
//!
//! Called by `sqlite.rs`. Must stay cheap with a million rows: only indexes are read, but for the few
//! retrying rows that are older than the oldest ready one.

use rusqlite::{Connection, params};

use super::fault;
use super::file_counts::counter;
use super::statements::bytes_used;
use crate::queue::{Depth, FileDepth, Lane, LaneDepth};

/// What waits at `now_ms` in a file that may grow to `bytes_max`.
pub(super) fn read(db: &Connection, now_ms: i64, bytes_max: u64) -> rusqlite::Result<Depth> {
    let snapshot = db.unchecked_transaction()?;
    let lanes = Lane::ALL.into_iter().map(|lane| read_lane(&snapshot, lane, now_ms));
    let lanes: Vec<LaneDepth> = lanes.collect::<rusqlite::Result<_>>()?;
    let webhooks = lanes.iter().map(|lane| lane.ready + lane.retrying).sum();
    let held = counter(&snapshot, "held")?;
    if webhooks != held {
        // What the index does not show is never claimed.
        let found = format!("the index has {webhooks} webhooks, {held} are held");
        return Err(fault::damage(found));
    }
    let file = FileDepth {
        webhooks,
        bytes: bytes_used(&snapshot)?,
        bytes_max,
        set_aside: counter(&snapshot, "set_aside")?,
        missing: counter(&snapshot, "missing")?,
    };
    Ok(Depth { lanes, file: Some(file), ..Depth::default() })
}

fn read_lane(db: &Connection, lane: Lane, now_ms: i64) -> rusqlite::Result<LaneDepth> {
    let mut statement = db.prepare_cached(
        "SELECT
             (SELECT count(*) FROM deliveries INDEXED BY deliveries_by_due WHERE lane = ?1),
             (SELECT count(*) FROM deliveries INDEXED BY deliveries_by_due
                 WHERE lane = ?1 AND due_at_ms > ?2 AND lease IS NULL),
             (SELECT received_at_ms FROM deliveries INDEXED BY deliveries_by_age
                 WHERE lane = ?1 AND NOT (due_at_ms > ?2 AND lease IS NULL)
                 ORDER BY received_at_ms LIMIT 1)",
    )?;
    let (total, retrying, oldest_received_at_ms): (i64, i64, Option<i64>) = statement
        .query_row(params![lane.name(), now_ms], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let ready = (total - retrying).unsigned_abs();
    let retrying = retrying.unsigned_abs();
    // What is due is ready.
    Ok(LaneDepth { lane, ready, retrying, retries_late: None, oldest_received_at_ms })
}
