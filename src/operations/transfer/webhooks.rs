//! Webhooks of the ledger as lines; an import processes them.

use std::collections::HashSet;
use std::io::Write;

use chrono::{DateTime, Utc};
use sea_orm::Order;
use serde::{Deserialize, Serialize};

use super::line::{LineBody, LineError, LineHead, read_line, wrong};
use super::{PAGE, Transfer};
use crate::normalize::{Rules, normalize};
use crate::store::apply::batch::ApplyTask;
use crate::store::apply::halves::Halves;
use crate::store::apply::outcome::Outcome;
use crate::store::bodies::BodyError;
use crate::store::operations::batches::parts;
use crate::store::operations::dead_letter::{DeadLetterImport, ImportCounts};
use crate::store::operations::history::{LedgerFilter, LedgerRow};
use crate::store::operations::hold::hold;
use crate::store::operations::page::RowPage;
use crate::store::{Store, StoreError};
use crate::webhook::{Headers, Webhook, WebhookKey};
use crate::worker::ProcessError;

/// A webhook in a line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    head: LineHead,
    #[serde(flatten)]
    body: LineBody,
    /// How it ended where it was exported: for people.
    #[serde(default)]
    outcome: String,
    /// When it did, in an archive, whose lines may lack the body.
    #[serde(default, skip_serializing)]
    processed_at: Option<DateTime<Utc>>,
}

/// What came of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportedWebhooks {
    /// Lines written.
    pub lines: u64,
    /// Rows whose body the ledger does not hold; they were left out. Dead letters keep theirs:
    /// `dead-letters export` has them.
    pub without_body: u64,
    /// Rows whose body is stored and can't be read; they were left out.
    pub unreadable: u64,
}

/// Writes what a filter names and what is in the ledger now, oldest first; `unreadable` is told what can't be.
pub async fn export_webhooks(
    store: &Store,
    filter: LedgerFilter,
    out: &mut (impl Write + Send),
    mut unreadable: impl FnMut(&BodyError),
) -> Result<ExportedWebhooks, LineError> {
    let mut exported = ExportedWebhooks::default();
    let last_id = hold(|| store.history_end()).await?;
    let mut page = RowPage { last_id, ..RowPage::first(PAGE as u64) };
    loop {
        let rows = hold(|| store.history(&filter, page, Order::Asc)).await?;
        let Some(last) = rows.last() else { return Ok(exported) };
        page.after_id = last.id;
        for rows in parts(&rows, PAGE, |row: &LedgerRow| row.body_bytes.unwrap_or_default()) {
            export_rows(store, rows, out, &mut exported, &mut unreadable).await?;
        }
    }
}

async fn export_rows(
    store: &Store,
    rows: &[LedgerRow],
    out: &mut (impl Write + Send),
    exported: &mut ExportedWebhooks,
    unreadable: &mut impl FnMut(&BodyError),
) -> Result<(), LineError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut bodies = hold(|| store.bodies(&ids)).await?;
    for row in rows {
        let body = match bodies.remove(&row.id) {
            Some(Ok(body)) => body,
            Some(Err(error)) => {
                exported.unreadable += 1;
                unreadable(&error);
                continue;
            }
            None => {
                exported.without_body += 1;
                continue;
            }
        };
        let line = Line {
            head: LineHead {
                source: row.source.clone(),
                session: row.session.clone(),
                event_type: row.event_type.clone(),
                webhook_id: row.webhook_id.clone(),
                webhook_at: row.webhook_at,
                received_at: row.received_at,
            },
            body: LineBody::of(body.into()),
            outcome: row.outcome.name().to_owned(),
            processed_at: None,
        };
        serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
        exported.lines += 1;
    }
    Ok(())
}

impl Transfer for Webhook {
    fn read(text: &[u8], number: u64) -> Result<Option<Self>, LineError> {
        let Line { head, body, processed_at, .. } = read_line(text, number)?;
        if processed_at.is_some() && body.is_none() {
            return Ok(None);
        }
        head.webhook(Headers::new(), body, false).map(Some).map_err(wrong(number))
    }

    fn webhook(&self) -> &Webhook {
        self
    }

    async fn look(store: &Store, page: &[Self]) -> Result<ImportCounts, StoreError> {
        let new = new_keys(store, page).await?.len();
        Ok(ImportCounts { imported: 0, known: (page.len() - new) as u64 })
    }

    async fn import(
        store: &Store,
        rules: &Rules,
        page: Vec<Self>,
        log: i64,
    ) -> Result<ImportCounts, StoreError> {
        let mut new = new_keys(store, &page).await?;
        let mut left = page;
        let read = left.len();
        // Of a key that is twice in a page the first is new.
        left.retain(|webhook| new.remove(webhook.key()));
        // Somebody else may import the same just now: what is new is what the tables took.
        let imported = process(store, rules, &left, log).await?;
        Ok(ImportCounts { imported, known: read as u64 - imported })
    }
}

/// The keys that the ledger does not know.
async fn new_keys(store: &Store, page: &[Webhook]) -> Result<HashSet<WebhookKey>, StoreError> {
    let keys: Vec<&WebhookKey> = page.iter().map(Webhook::key).collect();
    let known = hold(|| store.known_keys(&keys)).await?;
    Ok(keys.into_iter().filter(|key| !known.contains(*key)).cloned().collect())
}

/// Says how many were new.
async fn process(
    store: &Store,
    rules: &Rules,
    page: &[Webhook],
    log: i64,
) -> Result<u64, StoreError> {
    let mut tasks = Vec::new();
    let mut letters = Vec::new();
    for webhook in page {
        match normalize(webhook, rules) {
            Ok(normalized) => tasks.push(ApplyTask { webhook, attempts: 1, normalized }),
            Err(error) => letters.push(letter(webhook, &error.into())),
        }
    }
    let mut imported = apply(store, &tasks, log, &mut letters).await;
    if !letters.is_empty() {
        imported += hold(|| store.import_letters(&letters, log)).await?.imported;
    }
    Ok(imported)
}

/// Says how many were new.
async fn apply(
    store: &Store,
    tasks: &[ApplyTask<'_>],
    log: i64,
    letters: &mut Vec<DeadLetterImport>,
) -> u64 {
    let mut halves = Halves::of(tasks);
    let mut imported = 0;
    while let Some(part) = halves.next_part() {
        match hold(|| store.apply_imported(part, log)).await {
            Ok(outcomes) => {
                imported += outcomes.iter().filter(|it| **it != Outcome::Duplicate).count() as u64;
            }
            Err(error) => {
                let alone = halves.split(part);
                letters.extend(alone.map(|task| letter(task.webhook, &error.into())));
            }
        }
    }
    imported
}

/// What can't be read or written here is a pending dead letter.
fn letter(webhook: &Webhook, error: &ProcessError) -> DeadLetterImport {
    DeadLetterImport {
        webhook: webhook.clone(),
        reason: error.reason().to_owned(),
        error: error.detail(),
        failures: Vec::new(),
        attempts: 1,
    }
}
