//! Dead letters as lines of JSON, to be carried to another installation; bodies byte for byte.

use std::io::{BufRead, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Prospect, Reading};
use crate::normalize::Rules;
use crate::queue::Failure;
use crate::store::dead_letter::{DeadLetter, Filter, Letter, Page, Summary};
use crate::store::{Store, StoreError, hold, parts};
use crate::strict_json::Object;
use crate::webhook::envelope::is_key_text;
use crate::webhook::storable::{
    EVENT_TYPE_BYTES_MAX, ID_BYTES_MAX, SESSION_BYTES_MAX, SOURCE_BYTES_MAX,
};
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// Rows read or written at a time.
const PAGE: usize = 200;
/// Bodies imported in one transaction, at most about; one longer line is taken alone.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Longest line: the largest body that a door may be configured to take, as base64.
const LINE_BYTES_MAX: u64 = 2 << 30;
/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 64;

/// A dead letter in a line. What is not needed to go on elsewhere is told for people.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    source: String,
    session: String,
    event_type: String,
    webhook_id: String,
    webhook_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
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

/// A body in a line, byte for byte.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LineBody {
    /// The body, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// The body, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl LineBody {
    pub(super) fn of(body: Vec<u8>) -> Self {
        match String::from_utf8(body) {
            Ok(text) => Self { body: Some(text), body_base64: None },
            Err(error) => Self { body: None, body_base64: Some(STANDARD.encode(error.as_bytes())) },
        }
    }

    pub(super) fn bytes(self) -> Result<Vec<u8>, &'static str> {
        match (self.body, self.body_base64) {
            (Some(text), None) => Ok(text.into_bytes()),
            (None, Some(text)) => STANDARD.decode(text).map_err(|_| "its body is not base64"),
            (Some(_), Some(_)) | (None, None) => Err("it needs body or body_base64"),
        }
    }
}

/// Why lines could not be carried.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A line can't be used. Lines before it are imported.
    #[error("line {number} can't be imported: {problem}")]
    Line {
        /// Which, from 1.
        number: u64,
        /// What is wrong with it, without its content.
        problem: String,
    },
    /// It could not be read or written.
    #[error("the file could not be read or written")]
    File(#[from] std::io::Error),
    /// The tables could not be read or written.
    #[error("the tables could not be read or written")]
    Store(#[from] StoreError),
}

/// What came of an import, or would come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Carried {
    /// Lines read.
    pub lines: u64,
    /// Those that are pending dead letters here now.
    pub imported: u64,
    /// Those that the ledger knew already; they were left alone.
    pub known: u64,
    /// How all of them would end if they were processed now.
    pub would_end: Prospect,
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
pub async fn export_part(
    store: &Store,
    filter: &Filter,
    after_id: i64,
) -> Result<Option<Part>, LineError> {
    let page = Page { after_id, ..Page::first(PAGE as u64) };
    let rows = hold(|| store.dead_letters(filter, page)).await?;
    let Some(part) = parts(&rows, PAGE, |row: &Summary| row.body_bytes).next() else {
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
pub async fn export(
    store: &Store,
    filter: &Filter,
    out: &mut (impl Write + Send),
) -> Result<u64, LineError> {
    let (mut after_id, mut count) = (0, 0);
    while let Some(part) = export_part(store, filter, after_id).await? {
        out.write_all(&part.lines)?;
        count += part.count;
        after_id = part.last_id;
    }
    Ok(count)
}

/// Reads lines and imports them page by page, counted in the entry `log` of the audit log; without it
/// nothing is written, only looked at.
pub async fn import(
    store: &Store,
    rules: &Rules,
    input: &mut (impl BufRead + Send),
    log: Option<i64>,
) -> Result<Carried, LineError> {
    let (mut carried, mut letters, mut bytes) = (Carried::default(), Vec::new(), 0);
    loop {
        let letter = next_letter(input, carried.lines + 1)?;
        let is_over = letter.is_none();
        if let Some(letter) = letter {
            carried.lines += 1;
            carried.would_end.add(&Reading::of(&letter.webhook, rules));
            bytes += letter.webhook.body().len();
            letters.push(letter);
        }
        if is_over || letters.len() >= PAGE || bytes >= PAGE_BYTES_MAX {
            take(store, &letters, log, &mut carried).await?;
            letters.clear();
            bytes = 0;
        }
        if is_over {
            return Ok(carried);
        }
    }
}

async fn take(
    store: &Store,
    letters: &[Letter],
    log: Option<i64>,
    carried: &mut Carried,
) -> Result<(), StoreError> {
    if letters.is_empty() {
        return Ok(());
    }
    if let Some(log) = log {
        let imported = hold(|| store.import_letters(letters, log)).await?;
        carried.imported += imported.imported;
        carried.known += imported.known;
    } else {
        let keys: Vec<&WebhookKey> = letters.iter().map(|letter| letter.webhook.key()).collect();
        carried.known += hold(|| store.count_known(&keys)).await?;
    }
    Ok(())
}

/// The next letter.
fn next_letter(input: &mut impl BufRead, number: u64) -> Result<Option<Letter>, LineError> {
    let Some(text) = next_line(input)? else { return Ok(None) };
    let line: Line = read_line(&text, number)?;
    let wrong = |problem: &str| LineError::Line { number, problem: problem.to_owned() };
    line.letter().map(Some).map_err(wrong)
}

/// The next line that is not empty.
pub(super) fn next_line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, std::io::Error> {
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(None);
        }
        if !text.trim_ascii().is_empty() {
            return Ok(Some(text));
        }
    }
}

/// Reads a line; an error tells its place, not its text.
pub(super) fn read_line<T: DeserializeOwned>(text: &[u8], number: u64) -> Result<T, LineError> {
    let Object(line): Object<T> = serde_json::from_slice(text).map_err(|error| {
        let problem = format!("{:?} error at column {}", error.classify(), error.column());
        LineError::Line { number, problem }
    })?;
    Ok(line)
}

/// A key whose parts a door could have let in.
pub(super) fn webhook_key(
    source: String,
    session: String,
    event_type: String,
    id: String,
) -> Result<WebhookKey, &'static str> {
    let fits = |text: &str, max| text.is_empty() || is_key_text(text, max);
    if !fits(&source, SOURCE_BYTES_MAX) || !is_key_text(&id, ID_BYTES_MAX) {
        return Err("its source or webhook_id can't be used");
    }
    if !fits(&session, SESSION_BYTES_MAX) || !fits(&event_type, EVENT_TYPE_BYTES_MAX) {
        return Err("its session or event_type can't be used");
    }
    Ok(WebhookKey { source, session, event_type, id })
}

impl From<DeadLetter> for Line {
    fn from(letter: DeadLetter) -> Self {
        let row = letter.row;
        Self {
            source: row.source,
            session: row.session,
            event_type: row.event_type,
            webhook_id: row.webhook_id,
            webhook_at: row.webhook_at,
            received_at: row.received_at,
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
    fn letter(self) -> Result<Letter, &'static str> {
        let key = webhook_key(self.source, self.session, self.event_type, self.webhook_id)?;
        if !is_key_text(&self.reason, REASON_BYTES_MAX) {
            return Err("its reason can't be used");
        }
        let webhook = Webhook::from(WebhookParts {
            key,
            receipt: Receipt::new(),
            at_ms: self.webhook_at.timestamp_millis(),
            received_at_ms: self.received_at.timestamp_millis(),
            replay: true,
            headers: self.headers,
            body: self.body.bytes()?.into(),
        });
        Ok(Letter {
            webhook,
            reason: self.reason,
            error: self.error,
            failures: self.failures,
            attempts: usize::try_from(self.attempts).unwrap_or_default(),
        })
    }
}
