//! How much waits, read beside the writer thread.
//!
//! Called by `sqlite.rs`. Must stay cheap with a million rows: only indexes are read.

use rusqlite::{Connection, params};

use crate::queue::{Depth, Lane, LaneDepth};

/// What waits at `now_ms`.
pub(super) fn read(db: &Connection, now_ms: i64) -> rusqlite::Result<Depth> {
    let snapshot = db.unchecked_transaction()?;
    let lanes = Lane::ALL.into_iter().map(|lane| read_lane(&snapshot, lane, now_ms));
    Ok(Depth { lanes: lanes.collect::<rusqlite::Result<_>>()? })
}

fn read_lane(db: &Connection, lane: Lane, now_ms: i64) -> rusqlite::Result<LaneDepth> {
    let mut statement = db.prepare_cached(
        "SELECT
             (SELECT count(*) FROM deliveries INDEXED BY deliveries_by_due WHERE lane = ?1),
             (SELECT count(*) FROM deliveries INDEXED BY deliveries_by_due
                 WHERE lane = ?1 AND due_at_ms > ?2 AND lease IS NULL),
             (SELECT min(received_at_ms) FROM deliveries INDEXED BY deliveries_by_age
                 WHERE lane = ?1)",
    )?;
    let (total, retrying, oldest_received_at_ms): (i64, i64, Option<i64>) = statement
        .query_row(params![lane.name(), now_ms], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let ready = (total - retrying).unsigned_abs();
    Ok(LaneDepth { lane, ready, retrying: retrying.unsigned_abs(), oldest_received_at_ms })
}
