//! Rows of the ledger that are to go, as lines: those of an export with all that a row knows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::Order;
use serde::Serialize;

use super::line::{LineBody, LineError, LineHead};
use crate::store::Store;
use crate::store::bodies::BodyError;
use crate::store::operations::batches::parts;
use crate::store::operations::history::{LedgerFilter, LedgerRow};
use crate::store::operations::page::RowPage;

/// A row in a line. `import` reads head and body, and leaves out a line without one.
#[derive(Debug, Serialize)]
struct ArchivedLine {
    #[serde(flatten)]
    head: LineHead,
    #[serde(flatten)]
    body: Option<LineBody>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    attempts: i32,
    normalizer_version: i32,
    processed_at: DateTime<Utc>,
    /// When it came again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repeated_at: Vec<DateTime<Utc>>,
}

/// Lines of some rows, and what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchivePage {
    /// The lines.
    pub lines: Vec<u8>,
    /// The rows, in the order of the lines.
    pub ids: Vec<i64>,
    /// The first of them.
    pub first_id: i64,
    /// Rows with a body.
    pub with_body: u64,
    /// Repetitions of them.
    pub repetitions: u64,
    /// Rows by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// When the first of them was received.
    pub first_received_at: DateTime<Utc>,
    /// When the last of them was received.
    pub last_received_at: DateTime<Utc>,
    /// Rows whose body is stored and can't be read: they have no line, and are not to go.
    pub unreadable: Vec<BodyError>,
}

impl ArchivePage {
    fn add(
        &mut self,
        row: LedgerRow,
        body: Option<Vec<u8>>,
        repeated_at: Vec<DateTime<Utc>>,
    ) -> Result<(), LineError> {
        if self.ids.is_empty() {
            (self.first_id, self.first_received_at) = (row.id, row.received_at);
        }
        self.first_received_at = self.first_received_at.min(row.received_at);
        self.last_received_at = self.last_received_at.max(row.received_at);
        self.ids.push(row.id);
        self.with_body += u64::from(body.is_some());
        self.repetitions += repeated_at.len() as u64;
        *self.outcomes.entry(row.outcome.name().to_owned()).or_default() += 1;
        let line = line(row, body, repeated_at);
        serde_json::to_writer(&mut self.lines, &line).map_err(std::io::Error::from)?;
        self.lines.push(b'\n');
        Ok(())
    }
}

fn line(row: LedgerRow, body: Option<Vec<u8>>, repeated_at: Vec<DateTime<Utc>>) -> ArchivedLine {
    ArchivedLine {
        outcome: row.outcome.name(),
        reason: row.reason,
        attempts: row.attempts,
        normalizer_version: row.normalizer_version,
        processed_at: row.processed_at,
        head: LineHead {
            source: row.source,
            session: row.session,
            event_type: row.event_type,
            webhook_id: row.webhook_id,
            webhook_at: row.webhook_at,
            received_at: row.received_at,
        },
        body: body.map(LineBody::of),
        repeated_at,
    }
}

/// The lines of as many of these rows as fit into memory, from the first on; they are of one month. Returns
/// also how many of the rows were looked at.
pub async fn archive_page(store: &Store, ids: &[i64]) -> Result<(ArchivePage, usize), LineError> {
    let page = RowPage { last_id: i64::MAX, ..RowPage::first(ids.len() as u64) };
    let filter = LedgerFilter { ids: ids.to_vec(), ..LedgerFilter::default() };
    let rows = store.history(&filter, page, Order::Asc).await?;
    let bytes = |row: &LedgerRow| row.body_bytes.unwrap_or_default();
    let Some(rows) = parts(&rows, rows.len(), bytes).next() else {
        return Ok((ArchivePage::default(), ids.len()));
    };
    let last = rows.last().map(|row| row.id).unwrap_or_default();
    let ids_read: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut bodies = store.bodies(&ids_read).await?;
    let mut repeated = store.repeated_at(&ids_read).await?;
    let mut page = ArchivePage::default();
    for row in rows {
        let body = match bodies.remove(&row.id).transpose() {
            Ok(body) => body.map(Vec::from),
            Err(error) => {
                page.unreadable.push(error);
                continue;
            }
        };
        page.add(row.clone(), body, repeated.remove(&row.id).unwrap_or_default())?;
    }
    Ok((page, ids.iter().filter(|id| **id <= last).count()))
}
