//! Claiming: which rows are due, reading them back, leasing them.
//!
//! Called by the writer thread alone. What must stay true: neither retries nor new webhooks nor a row
//! that can't be read hold up the others, and one claim's memory is bounded.

use std::error::Error;
use std::ops::RangeInclusive;

use bytes::Bytes;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, named_params, params};
use serde::de::DeserializeOwned;

use super::lease::Hand;
use super::statements::DUE_AT_ONCE;
use crate::queue::{BatchLimit, BatchSize, Failure, Lane, Tag};
use crate::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

/// How long a row that can't be read is left alone before it is tried (and reported) again.
const UNREADABLE_PAUSE_MS: i64 = 3_600_000;

/// What a claim asks for.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    pub(super) lane: Lane,
    pub(super) limit: BatchLimit,
    pub(super) now_ms: i64,
    /// When the lease ends.
    pub(super) until_ms: i64,
}

/// A row that was claimed.
pub(super) struct Claimed {
    pub(super) hand: Hand,
    pub(super) webhook: Webhook,
    pub(super) failures: Vec<Failure>,
}

/// Whether a claim would find something.
pub(super) fn anything_due(db: &Connection, lane: Lane, now_ms: i64) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM deliveries WHERE lane = ?1 AND due_at_ms <= ?2)",
    )?
    .query_row(params![lane.name(), now_ms], |row| row.get(0))
}

/// Leases what is due, under a tag each: first what waited for its time, up to half of the batch,
/// then what is new, oldest first.
pub(super) fn claim(
    db: &Connection,
    claim: Claim,
    mut next_tag: impl FnMut() -> Tag,
) -> rusqlite::Result<Vec<(Tag, Claimed)>> {
    let size = BatchSize::default();
    let mut rows = Rows { claim, size, claimed: Vec::new(), unreadable: Vec::new() };
    let count_max = claim.limit.count_max;
    rows.read(db, DUE_AT_ONCE + 1..=claim.now_ms, count_max.div_ceil(2))?;
    rows.read(db, DUE_AT_ONCE..=DUE_AT_ONCE, count_max)?;
    for seq in rows.unreadable {
        set_due(db, seq, claim.now_ms + UNREADABLE_PAUSE_MS, None)?;
    }
    let mut claimed = Vec::with_capacity(rows.claimed.len());
    for row in rows.claimed {
        let tag = next_tag();
        set_due(db, row.hand.seq, claim.until_ms, Some(tag))?;
        claimed.push((tag, row));
    }
    Ok(claimed)
}

fn set_due(db: &Connection, seq: i64, due_at_ms: i64, lease: Option<Tag>) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deliveries SET due_at_ms = ?2, lease = ?3, handed_out = 1 WHERE seq = ?1",
    )?
    .execute(params![seq, due_at_ms, lease.map(Tag::cast_signed)])?;
    Ok(())
}

/// The rows of one claim.
struct Rows {
    claim: Claim,
    size: BatchSize,
    claimed: Vec<Claimed>,
    unreadable: Vec<i64>,
}

impl Rows {
    /// Reads rows due in a range until there are `count_max` in all, or enough bytes.
    fn read(
        &mut self,
        db: &Connection,
        due: RangeInclusive<i64>,
        count_max: usize,
    ) -> rusqlite::Result<()> {
        let mut statement = db.prepare_cached(
            "SELECT d.seq, d.due_at_ms, d.failures, length(w.body) AS bytes, w.source, w.session,
                 w.event_type, w.webhook_id, w.receipt, w.at_ms, w.received_at_ms, w.replay,
                 w.headers, w.body
             FROM deliveries d CROSS JOIN webhooks w ON w.seq = d.seq
             WHERE d.lane = :lane AND d.due_at_ms BETWEEN :from AND :to
             ORDER BY d.due_at_ms, d.lease, d.seq LIMIT :max",
        )?;
        let mut rows = statement.query(named_params! {
            ":lane": self.claim.lane.name(),
            ":from": due.start(),
            ":to": due.end(),
            ":max": i64::try_from(count_max.saturating_sub(self.claimed.len())).unwrap_or(i64::MAX),
        })?;
        while let Some(row) = rows.next()? {
            let bytes: i64 = row.get("bytes")?;
            if !self.size.add(bytes.unsigned_abs(), self.claim.limit) {
                break;
            }
            self.add(row)?;
        }
        Ok(())
    }

    fn add(&mut self, row: &Row) -> rusqlite::Result<()> {
        let seq = row.get("seq")?;
        match decode(row, self.claim.lane) {
            Ok(claimed) => self.claimed.push(claimed),
            Err(error) => {
                tracing::error!(
                    queue.seq = seq,
                    error = &error as &dyn Error,
                    "a stored webhook can't be read; it stays in the queue file"
                );
                self.unreadable.push(seq);
            }
        }
        Ok(())
    }
}

fn decode(row: &Row, lane: Lane) -> rusqlite::Result<Claimed> {
    let hand = Hand { seq: row.get("seq")?, lane, due_at_ms: row.get("due_at_ms")? };
    let webhook = WebhookParts {
        key: WebhookKey {
            source: row.get("source")?,
            session: row.get("session")?,
            event_type: row.get("event_type")?,
            id: row.get("webhook_id")?,
        },
        receipt: Receipt(row.get("receipt")?),
        at_ms: row.get("at_ms")?,
        received_at_ms: row.get("received_at_ms")?,
        replay: row.get("replay")?,
        headers: json(&row.get::<_, String>("headers")?)?,
        body: Bytes::copy_from_slice(row.get_ref("body")?.as_blob()?),
    };
    let failures = match row.get::<_, Option<String>>("failures")? {
        Some(text) => json(&text)?,
        None => Vec::new(),
    };
    Ok(Claimed { hand, webhook: webhook.into(), failures })
}

fn json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
