//! Claiming: which rows are due, reading them back, leasing them.
//!
//! Called by the writer thread alone. Invariant: neither retries nor new webhooks nor a row
//! that can't be read hold up the others, and one claim's memory is bounded.

use std::ops::RangeInclusive;

use bytes::Bytes;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row, named_params, params};
use serde::de::DeserializeOwned;

use super::checksum::checksum;
use super::damaged_row::{DamagedRow, DamagedWebhook, encode_body};
use super::fault;
use super::lease::LeasedRow;
use super::statements::{self, DUE_AT_ONCE, DueTime};
use crate::queue::{BatchLimit, BatchSize, Failure, Lane, Tag};
use crate::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

/// What a claim asks for.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    pub(super) lane: Lane,
    pub(super) limit: BatchLimit,
    pub(super) now_ms: i64,
    /// When the lease ends.
    pub(super) until: DueTime,
}

/// What a claim found.
#[derive(Default)]
pub(super) struct Found {
    /// Under a tag each.
    pub(super) claimed: Vec<(Tag, Claimed)>,
    /// What can't be read back; taken out of the file.
    pub(super) damaged: Vec<DamagedRow>,
}

/// A row that was claimed.
pub(super) struct Claimed {
    pub(super) hand: LeasedRow,
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
/// then what is new, oldest first. What can't be read back is taken out.
pub(super) fn claim(
    db: &Connection,
    claim: Claim,
    mut next_tag: impl FnMut() -> Tag,
) -> rusqlite::Result<Found> {
    let mut rows =
        Rows { claim, size: BatchSize::default(), claimed: Vec::new(), damaged: Vec::new() };
    let count_max = claim.limit.count_max;
    rows.read(db, DUE_AT_ONCE + 1..=claim.now_ms, count_max.div_ceil(2))?;
    rows.read(db, DUE_AT_ONCE..=DUE_AT_ONCE, count_max)?;
    for row in &rows.damaged {
        statements::remove(db, row.seq)?;
    }
    let mut found =
        Found { damaged: rows.damaged, claimed: Vec::with_capacity(rows.claimed.len()) };
    for row in rows.claimed {
        let tag = next_tag();
        lease(db, row.hand.seq, claim.until, tag)?;
        found.claimed.push((tag, row));
    }
    Ok(found)
}

fn lease(db: &Connection, seq: i64, until: DueTime, tag: Tag) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE deliveries SET due_at_ms = ?2, wait_ms = ?3, lease = ?4, handed_out = 1
         WHERE seq = ?1",
    )?
    .execute(params![seq, until.at_ms, until.wait_ms, tag.cast_signed()])?;
    Ok(())
}

/// The rows of one claim.
struct Rows {
    claim: Claim,
    size: BatchSize,
    claimed: Vec<Claimed>,
    damaged: Vec<DamagedRow>,
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
            "SELECT d.seq, d.due_at_ms, d.failures, ifnull(length(w.body), 0) AS bytes, w.source,
                 w.session, w.event_type, w.webhook_id, w.receipt, w.at_ms, w.received_at_ms, w.replay,
                 w.headers, w.body, w.checksum
             FROM deliveries d LEFT JOIN webhooks w ON w.seq = d.seq
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
        match decode(row, self.claim.lane)? {
            Ok(claimed) => self.claimed.push(claimed),
            Err(problem) => self.damaged.push(damaged(row, self.claim, problem)?),
        }
        Ok(())
    }
}

/// A row as it was stored, or what is wrong with it. The outer error is the file's.
fn decode(row: &Row, lane: Lane) -> rusqlite::Result<Result<Claimed, String>> {
    let hand = LeasedRow { seq: row.get("seq")?, lane, due_at_ms: row.get("due_at_ms")? };
    let body = match row.get_ref("body")? {
        ValueRef::Blob(body) => Bytes::copy_from_slice(body),
        // More may be gone than this row: only the pages themselves tell.
        _ => return Err(fault::damage("a webhook has no row any more".to_owned())),
    };
    let read = read_parts(row, body).map(|parts| (parts, read_failures(row)));
    Ok(read
        .map(|(parts, failures)| Claimed { hand, webhook: parts.into(), failures })
        .map_err(|error| error.to_string()))
}

fn read_parts(row: &Row, body: Bytes) -> rusqlite::Result<WebhookParts> {
    let headers: String = row.get("headers")?;
    let parts = WebhookParts {
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
        headers: json(&headers)?,
        body,
    };
    match row.get::<_, Option<u32>>("checksum")? {
        Some(stored) if stored != checksum(&parts, &headers) => {
            Err(fault::damage("its checksum is wrong".to_owned()))
        }
        _ => Ok(parts),
    }
}

/// Only for people to read: a list that is damaged costs the list, not the webhook.
fn read_failures(row: &Row) -> Vec<Failure> {
    let text: Option<String> = row.get("failures").unwrap_or_default();
    text.and_then(|text| json(&text).ok()).unwrap_or_default()
}

/// What can be told of a row, whatever its columns hold now.
fn damaged(row: &Row, claim: Claim, problem: String) -> rusqlite::Result<DamagedRow> {
    let text = |name| -> rusqlite::Result<String> {
        Ok(row
            .get_ref(name)?
            .as_bytes_or_null()
            .ok()
            .flatten()
            .map(String::from_utf8_lossy)
            .unwrap_or_default()
            .into_owned())
    };
    let body = row.get_ref("body")?.as_bytes_or_null().ok().flatten();
    let webhook = body.map(|body| -> rusqlite::Result<DamagedWebhook> {
        Ok(DamagedWebhook {
            source: text("source")?,
            session: text("session")?,
            event_type: text("event_type")?,
            id: text("webhook_id")?,
            receipt: row.get("receipt").unwrap_or_default(),
            at_ms: row.get("at_ms").unwrap_or_default(),
            headers: text("headers")?,
            body_base64: encode_body(body),
        })
    });
    Ok(DamagedRow {
        set_aside_at_ms: claim.now_ms,
        problem,
        seq: row.get("seq")?,
        lane: Some(claim.lane.name().to_owned()),
        replay: row.get("replay").unwrap_or_default(),
        received_at_ms: row.get("received_at_ms").unwrap_or_default(),
        webhook: webhook.transpose()?,
    })
}

fn json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}
