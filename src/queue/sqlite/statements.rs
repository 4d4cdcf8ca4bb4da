//! What publish, ack, retry, give back and renew mean in SQL; `claim.rs` has the claim. Each runs
//! inside the transaction of a group.
//!
//! Called by the writer thread alone. Invariant: a row of `webhooks` and its row of
//! `deliveries` come and go together, and a row is only changed by whoever holds its lease.

use rusqlite::{Connection, params};

use super::command::StoredForm;
use super::lease::LeasedRow;
use crate::queue::{Lane, Tag};
use crate::webhook::Webhook;

/// The `due_at_ms` of what may be claimed at once, also if the clock was set back since.
pub(super) const DUE_AT_ONCE: i64 = 0;

/// Stores a webhook and makes it claimable.
pub(super) fn publish(
    db: &Connection,
    webhook: &Webhook,
    stored: &StoredForm,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let key = webhook.key();
    db.prepare_cached(
        "INSERT INTO webhooks (source, session, event_type, webhook_id, receipt, at_ms,
             received_at_ms, replay, headers, body, checksum)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        key.source,
        key.session,
        key.event_type,
        key.id,
        webhook.receipt().0,
        webhook.at_ms(),
        webhook.received_at_ms(),
        webhook.is_replay(),
        stored.headers,
        &webhook.body()[..],
        stored.checksum,
    ])?;
    // A replay was taken in long ago, but waits from now on.
    let waits_since_ms = if webhook.is_replay() { now_ms } else { webhook.received_at_ms() };
    make_claimable(db, db.last_insert_rowid(), webhook, waits_since_ms)
}

fn make_claimable(
    db: &Connection,
    seq: i64,
    webhook: &Webhook,
    waits_since_ms: i64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO deliveries (seq, lane, due_at_ms, handed_out, replay, received_at_ms)
         VALUES (?1, ?2, ?3, 0, ?4, ?5)",
    )?
    .execute(params![
        seq,
        webhook.event_type().lane().name(),
        DUE_AT_ONCE,
        webhook.is_replay(),
        waits_since_ms,
    ])?;
    Ok(())
}

/// Adds to a counter, in the transaction that does what is counted.
pub(super) fn count(db: &Connection, name: &str, more: i64) -> rusqlite::Result<()> {
    if more != 0 {
        db.prepare_cached(
            "INSERT INTO counters VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        )?
        .execute(params![name, more])?;
    }
    Ok(())
}

/// Sets a counter that is no sum.
pub(super) fn set(db: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![name, value],
    )?;
    Ok(())
}

/// Forgets a webhook; says how many that were, none if its lease was lost.
pub(super) fn ack(db: &Connection, tag: Tag, hand: LeasedRow) -> rusqlite::Result<usize> {
    let ended = db
        .prepare_cached("DELETE FROM deliveries WHERE seq = ?1 AND lease = ?2")?
        .execute(params![hand.seq, tag.cast_signed()])?;
    if ended == 1 {
        db.prepare_cached("DELETE FROM webhooks WHERE seq = ?1")?.execute([hand.seq])?;
    }
    Ok(ended)
}

/// Takes a webhook out that can't be handed out.
pub(super) fn remove(db: &Connection, seq: i64) -> rusqlite::Result<()> {
    for table in ["deliveries", "webhooks"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE seq = ?1"))?.execute([seq])?;
    }
    Ok(())
}

/// Makes it claimable in `wait_ms`. `failures` is their JSON text.
pub(super) fn retry(
    db: &Connection,
    tag: Tag,
    hand: LeasedRow,
    failures: &str,
    due: DueTime,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deliveries SET due_at_ms = ?3, wait_ms = ?4, lease = NULL, failures = ?5
         WHERE seq = ?1 AND lease = ?2",
    )?
    .execute(params![hand.seq, tag.cast_signed(), due.at_ms, due.wait_ms, failures])?;
    Ok(())
}

/// A time ahead, and how far ahead it was when it was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct DueTime {
    pub(super) at_ms: i64,
    pub(super) wait_ms: i64,
}

impl DueTime {
    /// So long after now.
    pub(super) fn after(now_ms: i64, wait_ms: i64) -> Self {
        Self { at_ms: now_ms.saturating_add(wait_ms), wait_ms }
    }
}

/// Takes back what a clock that was ahead has written: a time that is further ahead than its own length
/// begins anew, and nothing waits since a time that is still to come. Leases of holders that live are
/// longer by that, never shorter. Says how many.
pub(super) fn disbelieve_future(db: &Connection, now_ms: i64) -> rusqlite::Result<usize> {
    let due = db
        .prepare_cached(
            "UPDATE deliveries SET due_at_ms = ?1 + wait_ms
             WHERE seq IN (SELECT seq FROM deliveries INDEXED BY deliveries_by_due
                 WHERE lane = ?2 AND due_at_ms > ?1) AND due_at_ms - wait_ms > ?1",
        )
        .and_then(|mut update| each_lane(|lane| update.execute(params![now_ms, lane])))?;
    let age = db
        .prepare_cached(
            "UPDATE deliveries SET received_at_ms = ?1 WHERE lane = ?2 AND received_at_ms > ?1",
        )
        .and_then(|mut update| each_lane(|lane| update.execute(params![now_ms, lane])))?;
    Ok(due + age)
}

fn each_lane(mut step: impl FnMut(&str) -> rusqlite::Result<usize>) -> rusqlite::Result<usize> {
    Lane::ALL.into_iter().map(|lane| step(lane.name())).sum()
}

/// Puts it back where it was before it was claimed.
pub(super) fn give_back(db: &Connection, tag: Tag, hand: LeasedRow) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deliveries SET due_at_ms = ?3, wait_ms = 0, lease = NULL
         WHERE seq = ?1 AND lease = ?2",
    )?
    .execute(params![hand.seq, tag.cast_signed(), hand.due_at_ms])?;
    Ok(())
}

/// Prolongs a lease; `false` if it was lost.
pub(super) fn renew(
    db: &Connection,
    tag: Tag,
    hand: LeasedRow,
    until: DueTime,
) -> rusqlite::Result<bool> {
    let renewed = db
        .prepare_cached(
            "UPDATE deliveries SET due_at_ms = ?3, wait_ms = ?4 WHERE seq = ?1 AND lease = ?2",
        )?
        .execute(params![hand.seq, tag.cast_signed(), until.at_ms, until.wait_ms])?;
    Ok(renewed == 1)
}

/// Bytes of the file that hold something: what was deleted is used again.
pub(super) fn bytes_used(db: &Connection) -> rusqlite::Result<u64> {
    bytes(
        db,
        "SELECT (p.page_count - f.freelist_count) * s.page_size
         FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s",
    )
}

/// Bytes of the file that hold nothing any more.
pub(super) fn bytes_unused(db: &Connection) -> rusqlite::Result<u64> {
    bytes(db, "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")
}

fn bytes(db: &Connection, select: &str) -> rusqlite::Result<u64> {
    let bytes: i64 = db.prepare_cached(select)?.query_row([], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}
