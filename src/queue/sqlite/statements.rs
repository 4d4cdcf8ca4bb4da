//! What publish, ack, retry, give back and renew mean in SQL; `claim.rs` has the claim. Each runs
//! inside the transaction of a group.
//!
//! Called by the writer thread alone. What must stay true: a row of `webhooks` and its row of
//! `deliveries` come and go together, and a row is only changed by whoever holds its lease.

use rusqlite::{Connection, params};

use super::lease::Hand;
use crate::queue::{Lane, Tag};
use crate::webhook::Webhook;

/// The `due_at_ms` of what may be claimed at once, also if the clock was set back since.
pub(super) const DUE_AT_ONCE: i64 = 0;

/// Stores a webhook and makes it claimable. `headers` is their JSON text.
pub(super) fn publish(
    db: &Connection,
    webhook: &Webhook,
    headers: &str,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let key = webhook.key();
    db.prepare_cached(
        "INSERT INTO webhooks (source, session, event_type, webhook_id, receipt, at_ms,
             received_at_ms, replay, headers, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
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
        headers,
        &webhook.body()[..],
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
        Lane::of(webhook.event_type()).name(),
        DUE_AT_ONCE,
        webhook.is_replay(),
        waits_since_ms,
    ])?;
    Ok(())
}

/// Counts webhooks that were taken in at the door, in the transaction that stores them.
pub(super) fn count_accepted(db: &Connection, more: i64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE counters SET value = value + ?1 WHERE name = 'accepted'")?
        .execute([more])?;
    Ok(())
}

/// Forgets a webhook; nothing if its lease was lost.
pub(super) fn ack(db: &Connection, tag: Tag, hand: Hand) -> rusqlite::Result<()> {
    let ended = db
        .prepare_cached("DELETE FROM deliveries WHERE seq = ?1 AND lease = ?2")?
        .execute(params![hand.seq, tag.cast_signed()])?;
    if ended == 1 {
        db.prepare_cached("DELETE FROM webhooks WHERE seq = ?1")?.execute([hand.seq])?;
    }
    Ok(())
}

/// Makes it claimable from `due_at_ms` on. `failures` is their JSON text.
pub(super) fn retry(
    db: &Connection,
    tag: Tag,
    hand: Hand,
    failures: &str,
    due_at_ms: i64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deliveries SET due_at_ms = ?3, lease = NULL, failures = ?4
         WHERE seq = ?1 AND lease = ?2",
    )?
    .execute(params![hand.seq, tag.cast_signed(), due_at_ms, failures])?;
    Ok(())
}

/// Puts it back where it was before it was claimed.
pub(super) fn give_back(db: &Connection, tag: Tag, hand: Hand) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deliveries SET due_at_ms = ?3, lease = NULL WHERE seq = ?1 AND lease = ?2",
    )?
    .execute(params![hand.seq, tag.cast_signed(), hand.due_at_ms])?;
    Ok(())
}

/// Prolongs a lease; `false` if it was lost.
pub(super) fn renew(
    db: &Connection,
    tag: Tag,
    hand: Hand,
    until_ms: i64,
) -> rusqlite::Result<bool> {
    let renewed = db
        .prepare_cached("UPDATE deliveries SET due_at_ms = ?3 WHERE seq = ?1 AND lease = ?2")?
        .execute(params![hand.seq, tag.cast_signed(), until_ms])?;
    Ok(renewed == 1)
}

/// Bytes of the file that hold something: what was deleted is used again.
pub(super) fn bytes_used(db: &Connection) -> rusqlite::Result<u64> {
    let bytes: i64 = db
        .prepare_cached(
            "SELECT (p.page_count - f.freelist_count) * s.page_size
         FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(bytes.unsigned_abs())
}
