//! Webhooks of the ledger as lines of JSON, to be carried to another installation; bodies byte for
//! byte. What a database lost in a failover comes back from the old one's ledger in this way.
//!
//! What must stay true: an import is an acceptance without a door, counted in the audit log in the
//! transaction that writes it; a webhook that the ledger knows is left alone, so importing twice, or
//! what was never lost, changes nothing; and memory is bounded by pages, not by files.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, Utc};
use sea_orm::Order;
use serde::{Deserialize, Serialize};

use super::carry::{LineBody, LineError, next_line, read_line, webhook_key};
use super::{Prospect, Reading};
use crate::normalize::{Rules, normalize};
use crate::store::dead_letter::Letter;
use crate::store::history::{Filter, Row};
use crate::store::{Store, StoreError, Task, hold, parts};
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};
use crate::worker::ProcessError;

/// Rows read or written at a time.
const PAGE: usize = 200;
/// Bodies imported in one transaction, at most about; one longer line is taken alone.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A webhook in a line.
#[derive(Debug, Serialize, Deserialize)]
struct WebhookLine {
    source: String,
    session: String,
    event_type: String,
    webhook_id: String,
    webhook_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    #[serde(flatten)]
    body: LineBody,
    /// How it ended where it was exported: for people.
    #[serde(default)]
    outcome: String,
}

/// What came of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportedWebhooks {
    /// Lines written.
    pub lines: u64,
    /// Rows whose body the ledger does not hold; they were left out. Dead letters keep theirs:
    /// `dead-letters export` has them.
    pub without_body: u64,
}

/// What came of an import, or would come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportedWebhooks {
    /// Lines read.
    pub lines: u64,
    /// Those that were accepted here by this.
    pub imported: u64,
    /// Those that the ledger knew already; they were left alone.
    pub known: u64,
    /// How all of them would end if they were processed now.
    pub would_end: Prospect,
}

/// Writes what a filter names and what is in the ledger now, oldest first.
pub async fn export_webhooks(
    store: &Store,
    mut filter: Filter,
    out: &mut (impl Write + Send),
) -> Result<ExportedWebhooks, LineError> {
    let mut exported = ExportedWebhooks::default();
    filter.last_id = hold(|| store.history_end()).await?;
    loop {
        let page = hold(|| store.history(&filter, Order::Asc, PAGE as u64)).await?;
        let Some(last) = page.last() else { return Ok(exported) };
        filter.after_id = last.id;
        for rows in parts(&page, PAGE, |row: &Row| row.body_bytes.unwrap_or_default()) {
            export_rows(store, rows, out, &mut exported).await?;
        }
    }
}

async fn export_rows(
    store: &Store,
    rows: &[Row],
    out: &mut (impl Write + Send),
    exported: &mut ExportedWebhooks,
) -> Result<(), LineError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut bodies = hold(|| store.bodies(&ids)).await?;
    for row in rows {
        let Some(body) = bodies.remove(&row.id) else {
            exported.without_body += 1;
            continue;
        };
        let line = WebhookLine {
            source: row.source.clone(),
            session: row.session.clone(),
            event_type: row.event_type.clone(),
            webhook_id: row.webhook_id.clone(),
            webhook_at: row.webhook_at,
            received_at: row.received_at,
            body: LineBody::of(body.into()),
            outcome: row.outcome.clone(),
        };
        serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
        exported.lines += 1;
    }
    Ok(())
}

/// Reads lines and imports them page by page, counted in the entry `log` of the audit log; without it
/// nothing is written, only looked at.
pub async fn import_webhooks(
    store: &Store,
    rules: &Rules,
    input: &mut (impl BufRead + Send),
    log: Option<i64>,
) -> Result<ImportedWebhooks, LineError> {
    let (mut imported, mut page, mut bytes) = (ImportedWebhooks::default(), Vec::new(), 0);
    loop {
        let number = imported.lines + 1;
        let webhook = next_line(input)?.map(|text| read_webhook(&text, number)).transpose()?;
        let is_over = webhook.is_none();
        if let Some(webhook) = webhook {
            imported.lines += 1;
            imported.would_end.add(&Reading::of(&webhook, rules));
            bytes += webhook.body().len();
            page.push(webhook);
        }
        if is_over || page.len() >= PAGE || bytes >= PAGE_BYTES_MAX {
            import_page(store, rules, std::mem::take(&mut page), log, &mut imported).await?;
            bytes = 0;
        }
        if is_over {
            return Ok(imported);
        }
    }
}

fn read_webhook(text: &[u8], number: u64) -> Result<Webhook, LineError> {
    let line: WebhookLine = read_line(text, number)?;
    let wrong = |problem: &str| LineError::Line { number, problem: problem.to_owned() };
    let key = webhook_key(line.source, line.session, line.event_type, line.webhook_id);
    Ok(Webhook::from(WebhookParts {
        key: key.map_err(wrong)?,
        receipt: Receipt::new(),
        at_ms: line.webhook_at.timestamp_millis(),
        received_at_ms: line.received_at.timestamp_millis(),
        replay: false,
        headers: Headers::new(),
        body: line.body.bytes().map_err(wrong)?.into(),
    }))
}

async fn import_page(
    store: &Store,
    rules: &Rules,
    mut page: Vec<Webhook>,
    log: Option<i64>,
    imported: &mut ImportedWebhooks,
) -> Result<(), StoreError> {
    let read = page.len();
    let keys: Vec<&WebhookKey> = page.iter().map(Webhook::key).collect();
    let mut known = hold(|| store.known_keys(&keys)).await?;
    // A key that is twice in a page is known the second time.
    page.retain(|webhook| known.insert(webhook.key().clone()));
    imported.known += (read - page.len()) as u64;
    let Some(log) = log else { return Ok(()) };
    let (mut tasks, mut letters) = (Vec::new(), Vec::new());
    for webhook in &page {
        match catch_unwind(AssertUnwindSafe(|| normalize(webhook, rules))) {
            Ok(Ok(normalized)) => tasks.push(Task { webhook, attempts: 1, normalized }),
            Ok(Err(error)) => letters.push(letter(webhook, &error.into())),
            Err(_) => letters.push(letter(webhook, &ProcessError::Panic)),
        }
    }
    apply_or_split(store, &tasks, log, &mut letters).await?;
    if !letters.is_empty() {
        hold(|| store.import_letters(&letters, log)).await?;
    }
    imported.imported += page.len() as u64;
    Ok(())
}

/// As the worker does: what can't be written for a reason of its own stands alone in the end.
async fn apply_or_split(
    store: &Store,
    tasks: &[Task<'_>],
    log: i64,
    letters: &mut Vec<Letter>,
) -> Result<(), StoreError> {
    if tasks.is_empty() {
        return Ok(());
    }
    let Err(error) = hold(|| store.apply_imported(tasks, log)).await else { return Ok(()) };
    if let [task] = tasks {
        let error = ProcessError::from(error);
        letters.push(letter(task.webhook, &error));
        return Ok(());
    }
    let (left, right) = tasks.split_at(tasks.len() / 2);
    Box::pin(apply_or_split(store, left, log, letters)).await?;
    Box::pin(apply_or_split(store, right, log, letters)).await
}

/// What can't be read or written here is a pending dead letter.
fn letter(webhook: &Webhook, error: &ProcessError) -> Letter {
    Letter {
        webhook: webhook.clone(),
        reason: error.reason().to_owned(),
        error: error.detail(),
        failures: Vec::new(),
        attempts: 1,
    }
}
