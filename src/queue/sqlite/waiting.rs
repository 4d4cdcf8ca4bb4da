//! What waits for its next attempt: reading it beside the writer thread, and having it come now.
//!
//! Invariant: what somebody has in hand is not touched. It has a lease, and a due time that ends it.

use rusqlite::{Connection, Row, params};

use super::SqliteQueue;
use super::command::Command;
use crate::queue::{Hastened, Lane, QueueError, RetryChoice, Retrying, WaitingRetry};
use crate::webhook::{Receipt, WebhookKey};

/// What waits, up to `count_max` of it.
pub(super) async fn list(queue: &SqliteQueue, count_max: usize) -> Result<Retrying, QueueError> {
    let now_ms = queue.0.options.clock.now_ms();
    let read = move |db: &Connection| {
        let mut webhooks = Vec::new();
        let keep = |_, waiting| webhooks.push(waiting);
        let unseen = read(db, now_ms, count_max, keep)?;
        Ok(Retrying { webhooks, unseen })
    };
    Ok(queue.read(read).await?.first(count_max))
}

/// Has those come now that are chosen, of `count_max` in each lane.
pub(super) async fn hasten_chosen(
    queue: &SqliteQueue,
    choice: RetryChoice,
    count_max: usize,
) -> Result<Hastened, QueueError> {
    let now_ms = queue.0.options.clock.now_ms();
    let read = move |db: &Connection| {
        let mut seqs = Vec::new();
        let keep = |seq, waiting| seqs.extend(choice(&waiting).then_some(seq));
        let unseen = read(db, now_ms, count_max, keep)?;
        Ok((seqs, unseen))
    };
    let (seqs, unseen) = queue.read(read).await?;
    if seqs.is_empty() {
        return Ok(Hastened { count: 0, unseen });
    }
    let count = queue.ask(|reply| Command::Hasten { seqs, reply }).await?;
    Ok(Hastened { count, unseen })
}

/// Visits up to `count_max` of each lane, the next first, each with its place in the file; says how many
/// more wait. What can't be read is one of those: a claim takes it out.
fn read(
    db: &Connection,
    now_ms: i64,
    count_max: usize,
    mut visit: impl FnMut(i64, WaitingRetry),
) -> rusqlite::Result<u64> {
    let snapshot = db.unchecked_transaction()?;
    let mut unseen = 0;
    for lane in Lane::ALL {
        let mut statement = snapshot.prepare_cached(
            "SELECT d.seq, d.due_at_ms, d.failures, w.source, w.session, w.event_type,
                 w.webhook_id, w.receipt, w.received_at_ms
             FROM deliveries d INDEXED BY deliveries_by_due JOIN webhooks w ON w.seq = d.seq
             WHERE d.lane = ?1 AND d.due_at_ms > ?2 AND d.lease IS NULL
             ORDER BY d.due_at_ms LIMIT ?3",
        )?;
        unseen += count(&snapshot, lane, now_ms)?;
        let count_max = i64::try_from(count_max).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![lane.name(), now_ms, count_max])?;
        while let Some(row) = rows.next()? {
            if let Ok((seq, waiting)) = waiting(lane, row) {
                visit(seq, waiting);
                unseen = unseen.saturating_sub(1);
            }
        }
    }
    Ok(unseen)
}

fn count(db: &Connection, lane: Lane, now_ms: i64) -> rusqlite::Result<u64> {
    let mut statement = db.prepare_cached(
        "SELECT count(*) FROM deliveries INDEXED BY deliveries_by_due
         WHERE lane = ?1 AND due_at_ms > ?2 AND lease IS NULL",
    )?;
    let count: i64 = statement.query_row(params![lane.name(), now_ms], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn waiting(lane: Lane, row: &Row) -> rusqlite::Result<(i64, WaitingRetry)> {
    let failures: Option<String> = row.get(2)?;
    let failures = failures.and_then(|text| serde_json::from_str(&text).ok());
    let key = WebhookKey {
        source: row.get(3)?,
        session: row.get(4)?,
        event_type: row.get(5)?,
        id: row.get(6)?,
    };
    let waiting = WaitingRetry {
        lane,
        key,
        receipt: Receipt(row.get(7)?),
        received_at_ms: row.get(8)?,
        due_at_ms: Some(row.get(1)?),
        failures: failures.unwrap_or_default(),
    };
    Ok((row.get(0)?, waiting))
}

/// Has those come now that still wait; says how many.
pub(super) fn hasten(db: &Connection, seqs: &[i64], now_ms: i64) -> rusqlite::Result<u64> {
    let mut statement = db.prepare_cached(
        "UPDATE deliveries SET due_at_ms = ?2, wait_ms = 0
         WHERE seq = ?1 AND due_at_ms > ?2 AND lease IS NULL",
    )?;
    let mut count = 0;
    for seq in seqs {
        count += statement.execute(params![seq, now_ms])? as u64;
    }
    Ok(count)
}
