//! Which of our tables a record is of, told by its shape, and its columns.
//!
//! Used by `harvest`. A page does not say whose it is, so the shapes of our tables and indexes differ:
//! webhooks have 11 or 12 columns, deliveries 8 or 9, the indexes 4 and 3, counters 2.

use rusqlite::{Connection, params};

use super::record::{Cell, Value};
use crate::queue::Lane;
use crate::queue::sqlite::checksum::checksum;
use crate::queue::sqlite::damaged_row::{DamagedRow, DamagedWebhook, encode_body};
use crate::webhook::{EventType, Headers, Receipt, WebhookKey, WebhookParts};

/// A row of one of our tables.
pub(super) enum StoredRow {
    Webhook(WebhookRow),
    Delivery(DeliveryRow),
}

/// A row of `webhooks`, as it was read.
pub(super) struct WebhookRow {
    is_whole: bool,
    texts: [Vec<u8>; 5],
    receipt: i64,
    at_ms: i64,
    received_at_ms: i64,
    replay: bool,
    body: Vec<u8>,
    checksum: Option<i64>,
}

/// A row of `deliveries`.
pub(super) struct DeliveryRow {
    lane: Lane,
    due_at_ms: i64,
    wait_ms: i64,
    lease: Option<i64>,
    handed_out: bool,
    replay: bool,
    received_at_ms: i64,
    failures: Option<String>,
}

/// An entry of an index, or a counter.
pub(super) enum IndexEntry {
    Counter { name: String, value: i64 },
    Trace { seq: i64, lane: &'static str },
}

impl StoredRow {
    /// None if it is of another table.
    pub(super) fn of(_seq: i64, cell: Cell) -> Option<Self> {
        match cell.values.len() {
            11 | 12 => WebhookRow::of(cell).map(Self::Webhook),
            8 | 9 if cell.is_whole => DeliveryRow::of(&cell.values).map(Self::Delivery),
            _ => None,
        }
    }
}

impl WebhookRow {
    fn of(cell: Cell) -> Option<Self> {
        let Cell { values, is_whole } = cell;
        let mut values = values.into_iter();
        let mut next = || values.next();
        let Some(Value::Null) = next() else { return None };
        let [source, session, event_type, id] = [next()?, next()?, next()?, next()?];
        let [receipt, at_ms, received_at_ms, replay] = [next()?, next()?, next()?, next()?];
        let [headers, body] = [next()?, next()?];
        let checksum = next().and_then(|value| integer(&value));
        Some(Self {
            is_whole,
            texts: [
                into_text(source)?,
                into_text(session)?,
                into_text(event_type)?,
                into_text(id)?,
                into_text(headers)?,
            ],
            receipt: integer(&receipt)?,
            at_ms: integer(&at_ms)?,
            received_at_ms: integer(&received_at_ms)?,
            replay: integer(&replay)? != 0,
            body: if let Value::Blob(body) = body { body } else { return None },
            checksum,
        })
    }

    /// What is wrong with it; none if it is as it was stored.
    pub(super) fn problem(&self) -> Option<&'static str> {
        if !self.is_whole {
            return Some("a part of it can't be read");
        }
        let Some((parts, headers)) = self.parts() else {
            return Some("its texts or headers are damaged");
        };
        match self.checksum {
            Some(stored) if stored != i64::from(checksum(&parts, headers)) => {
                Some("its checksum is wrong")
            }
            _ => None,
        }
    }

    fn parts(&self) -> Option<(WebhookParts, &str)> {
        let text = |at: usize| std::str::from_utf8(&self.texts[at]).ok();
        let headers = text(4)?;
        let owned = |at| text(at).map(str::to_owned);
        let parts = WebhookParts {
            key: WebhookKey {
                source: owned(0)?,
                session: owned(1)?,
                event_type: owned(2)?,
                id: owned(3)?,
            },
            receipt: Receipt(self.receipt),
            at_ms: self.at_ms,
            received_at_ms: self.received_at_ms,
            replay: self.replay,
            headers: serde_json::from_str::<Headers>(headers).ok()?,
            body: self.body.clone().into(),
        };
        Some((parts, headers))
    }

    /// Receipt and checksum: together of one webhook only.
    pub(super) fn identity(&self) -> (i64, i64) {
        (self.receipt, self.checksum.unwrap_or(-1))
    }

    pub(super) fn lane(&self) -> Lane {
        EventType::parse(&String::from_utf8_lossy(&self.texts[2])).lane()
    }

    /// False: the number is taken, and who has it stays.
    pub(super) fn insert(&self, db: &Connection, seq: i64) -> rusqlite::Result<bool> {
        let text = |at: usize| String::from_utf8_lossy(&self.texts[at]);
        let inserted = db.prepare_cached(
            "INSERT OR IGNORE INTO webhooks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            seq,
            text(0),
            text(1),
            text(2),
            text(3),
            self.receipt,
            self.at_ms,
            self.received_at_ms,
            self.replay,
            text(4),
            self.body,
            self.checksum,
        ])?;
        Ok(inserted > 0)
    }

    /// What can be told of it.
    pub(super) fn damaged(&self, seq: i64, problem: &str, now_ms: i64) -> DamagedRow {
        let text = |at: usize| String::from_utf8_lossy(&self.texts[at]).into_owned();
        let webhook = DamagedWebhook {
            source: text(0),
            session: text(1),
            event_type: text(2),
            id: text(3),
            receipt: self.receipt,
            at_ms: self.at_ms,
            headers: text(4),
            body_base64: encode_body(&self.body),
        };
        DamagedRow {
            set_aside_at_ms: now_ms,
            problem: problem.to_owned(),
            seq,
            lane: None,
            replay: Some(self.replay),
            received_at_ms: Some(self.received_at_ms),
            webhook: Some(webhook),
        }
    }
}

impl DeliveryRow {
    fn of(values: &[Value]) -> Option<Self> {
        let [
            Value::Null,
            lane,
            due_at_ms,
            lease,
            handed_out,
            replay,
            received_at_ms,
            failures,
            wait @ ..,
        ] = values
        else {
            return None;
        };
        let is_failures = matches!(failures, Value::Null | Value::Text(_));
        let failures = into_text(failures.clone()).and_then(|text| String::from_utf8(text).ok());
        is_failures.then_some(())?;
        Some(Self {
            lane: lane_of(lane)?,
            due_at_ms: integer(due_at_ms)?,
            wait_ms: wait.first().and_then(integer).unwrap_or_default(),
            lease: integer(lease),
            handed_out: integer(handed_out)? != 0,
            replay: integer(replay)? != 0,
            received_at_ms: integer(received_at_ms)?,
            failures,
        })
    }

    /// As if it were just published, but for that it may have been in a hand.
    pub(super) fn anew(lane: Lane, replay: bool, received_at_ms: i64) -> Self {
        Self {
            lane,
            due_at_ms: 0,
            wait_ms: 0,
            lease: None,
            handed_out: true,
            replay,
            received_at_ms,
            failures: None,
        }
    }

    /// The last that is found stays.
    pub(super) fn insert(&self, db: &Connection, seq: i64) -> rusqlite::Result<()> {
        db.prepare_cached(
            "INSERT OR REPLACE INTO deliveries (seq, lane, due_at_ms, wait_ms, lease, handed_out, replay,
                 received_at_ms, failures)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            seq,
            self.lane.name(),
            self.due_at_ms,
            self.wait_ms,
            self.lease,
            self.handed_out,
            self.replay,
            self.received_at_ms,
            self.failures,
        ])?;
        Ok(())
    }
}

impl IndexEntry {
    /// None if it is something else.
    pub(super) fn of(cell: &Cell) -> Option<Self> {
        match &cell.values[..] {
            [Value::Text(name), Value::Integer(value)] => {
                let name = String::from_utf8(name.clone()).ok()?;
                Some(Self::Counter { name, value: *value })
            }
            [lane, Value::Integer(_), Value::Integer(_) | Value::Null, Value::Integer(seq)]
            | [lane, Value::Integer(_), Value::Integer(seq)] => {
                Some(Self::Trace { seq: *seq, lane: lane_of(lane)?.name() })
            }
            _ => None,
        }
    }
}

fn lane_of(value: &Value) -> Option<Lane> {
    let Value::Text(name) = value else { return None };
    Lane::ALL.into_iter().find(|lane| lane.name().as_bytes() == name)
}

fn integer(value: &Value) -> Option<i64> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}

fn into_text(value: Value) -> Option<Vec<u8>> {
    if let Value::Text(text) = value { Some(text) } else { None }
}
