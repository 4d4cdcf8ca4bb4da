//! Dead letters as lines.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::line::{LineBody, LineError, LineHead, read_line, wrong};
use super::{PAGE, Transfer};
use crate::normalize::Rules;
use crate::queue::Failure;
use crate::store::operations::batches::parts;
use crate::store::operations::dead_letter::{
    DeadLetter, DeadLetterFilter, DeadLetterImport, DeadLetterSummary, ImportCounts,
};
use crate::store::operations::hold::hold;
use crate::store::operations::page::RowPage;
use crate::store::{Store, StoreError};
use crate::webhook::envelope::is_key_text;
use crate::webhook::{Headers, Webhook, WebhookKey};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 64;

/// A dead letter in a line. What is not needed to go on elsewhere is told for people.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    head: LineHead,
    headers: Headers,
    #[serde(flatten)]
    body: LineBody,
    reason: String,
    error: String,
    failures: Vec<Failure>,
    attempts: i32,
    #[serde(default)]
    id: i64,
    #[serde(default)]
    group: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    replays: i32,
    #[serde(default)]
    note: Option<String>,
}

/// Some dead letters as lines.
pub struct Part {
    /// The lines, each with its end.
    pub lines: Vec<u8>,
    /// How many.
    pub count: u64,
    /// The number of the last.
    pub last_id: i64,
}

/// The next lines of what a filter names, above `after_id`; none after the last.
pub async fn export_letters_part(
    store: &Store,
    filter: &DeadLetterFilter,
    after_id: i64,
) -> Result<Option<Part>, LineError> {
    let page = RowPage { after_id, ..RowPage::first(PAGE as u64) };
    let rows = hold(|| store.dead_letters(filter, page)).await?;
    let Some(part) = parts(&rows, PAGE, |row: &DeadLetterSummary| row.body_bytes).next() else {
        return Ok(None);
    };
    let ids: Vec<i64> = part.iter().map(|row| row.id).collect();
    let mut lines = Vec::new();
    for letter in hold(|| store.whole_letters(&ids)).await? {
        serde_json::to_writer(&mut lines, &Line::from(letter)).map_err(std::io::Error::from)?;
        lines.push(b'\n');
    }
    let last_id = ids.last().copied().unwrap_or(after_id);
    Ok(Some(Part { lines, count: ids.len() as u64, last_id }))
}

/// Writes what a filter names; returns how many.
pub async fn export_letters(
    store: &Store,
    filter: &DeadLetterFilter,
    out: &mut (impl Write + Send),
) -> Result<u64, LineError> {
    let (mut after_id, mut count) = (0, 0);
    while let Some(part) = export_letters_part(store, filter, after_id).await? {
        out.write_all(&part.lines)?;
        count += part.count;
        after_id = part.last_id;
    }
    Ok(count)
}

impl From<DeadLetter> for Line {
    fn from(letter: DeadLetter) -> Self {
        let row = letter.row;
        Self {
            head: LineHead {
                source: row.source,
                session: row.session,
                event_type: row.event_type,
                webhook_id: row.webhook_id,
                webhook_at: row.webhook_at,
                received_at: row.received_at,
            },
            headers: letter.headers,
            body: LineBody::of(row.body),
            reason: row.reason,
            error: row.error,
            failures: letter.failures,
            attempts: row.attempts,
            id: row.id,
            group: row.fingerprint,
            state: row.state,
            replays: row.replays,
            note: row.note,
        }
    }
}

impl Line {
    fn letter(self) -> Result<DeadLetterImport, &'static str> {
        if !is_key_text(&self.reason, REASON_BYTES_MAX) {
            return Err("its reason can't be used");
        }
        Ok(DeadLetterImport {
            webhook: self.head.webhook(self.headers, self.body, true)?,
            reason: self.reason,
            error: self.error,
            failures: self.failures,
            attempts: usize::try_from(self.attempts).unwrap_or_default(),
        })
    }
}

impl Transfer for DeadLetterImport {
    fn read(text: &[u8], number: u64) -> Result<Option<Self>, LineError> {
        read_line::<Line>(text, number)?.letter().map(Some).map_err(wrong(number))
    }

    fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    async fn look(store: &Store, page: &[Self]) -> Result<ImportCounts, StoreError> {
        let keys: Vec<&WebhookKey> = page.iter().map(|letter| letter.webhook.key()).collect();
        let known = hold(|| store.count_known(&keys)).await?;
        Ok(ImportCounts { imported: 0, known })
    }

    async fn import(
        store: &Store,
        _: &Rules,
        page: Vec<Self>,
        log: i64,
    ) -> Result<ImportCounts, StoreError> {
        hold(|| store.import_letters(&page, log)).await
    }
}
