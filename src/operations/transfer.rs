//! Dead letters and webhooks of the ledger as lines of JSON, to be carried to another installation;
//! bodies byte for byte. What a database lost in a failover comes back from the old one in this way.
//!
//! Invariant: an import is an acceptance without a door, counted in the audit log in the
//! transaction that writes it; what the ledger knows is left alone, so importing twice, or what was
//! never lost, changes nothing; and memory is bounded by pages, not by files.

mod archived;
mod letters;
mod line;
mod webhooks;

use std::io::BufRead;

use serde::Serialize;
use utoipa::ToSchema;

use crate::normalize::Rules;
use crate::operations::{DryRun, Prospect};
use crate::store::operations::dead_letter::{DeadLetterImport, ImportCounts};
use crate::store::{Store, StoreError};
use crate::webhook::Webhook;

use line::next_line;

pub use archived::{ArchivePage, archive_page};
pub use letters::{Part, export_letters, export_letters_part};
pub use line::LineError;
pub use webhooks::{ExportedWebhooks, export_webhooks};

/// Rows read or written at a time.
const PAGE: usize = 200;
/// Bodies imported in one transaction, at most about; one longer line is taken alone.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What came of an import, or would come of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Transferred {
    /// Lines read.
    pub lines: u64,
    /// Those that are new here by this.
    pub imported: u64,
    /// Those that the ledger knew already; they were left alone.
    pub known: u64,
    /// Lines of an archive without a body: there is nothing to import.
    #[serde(skip_serializing_if = "is_none")]
    pub without_body: u64,
    /// How all of them would end if they were processed now.
    pub would_end: Prospect,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A kind of what lines hold.
trait Transfer: Sized {
    /// Reads the line of this number; none if it holds nothing that can be imported.
    fn read(text: &[u8], number: u64) -> Result<Option<Self>, LineError>;
    /// The webhook in it.
    fn webhook(&self) -> &Webhook;
    /// How many of a page the ledger knows.
    async fn look(store: &Store, page: &[Self]) -> Result<ImportCounts, StoreError>;
    /// Imports a page, counted in the entry `log` of the audit log.
    async fn import(
        store: &Store,
        rules: &Rules,
        page: Vec<Self>,
        log: i64,
    ) -> Result<ImportCounts, StoreError>;
}

/// Reads lines of dead letters and imports them page by page as pending ones, counted in the entry
/// `log` of the audit log; without it nothing is written, only looked at.
pub async fn import_letters(
    store: &Store,
    rules: &Rules,
    input: &mut impl BufRead,
    log: Option<i64>,
) -> Result<Transferred, LineError> {
    import::<DeadLetterImport>(store, rules, input, log).await
}

/// The same with webhooks of the ledger, which are processed here and now.
pub async fn import_webhooks(
    store: &Store,
    rules: &Rules,
    input: &mut impl BufRead,
    log: Option<i64>,
) -> Result<Transferred, LineError> {
    import::<Webhook>(store, rules, input, log).await
}

async fn import<T: Transfer>(
    store: &Store,
    rules: &Rules,
    input: &mut impl BufRead,
    log: Option<i64>,
) -> Result<Transferred, LineError> {
    let mut carried = Transferred::default();
    loop {
        let LinePage { items: page, lines, without_body } =
            next_page::<T>(input, carried.lines + 1)?;
        if lines == 0 {
            return Ok(carried);
        }
        carried.lines += lines;
        carried.without_body += without_body;
        for item in &page {
            carried.would_end.add(&DryRun::of(item.webhook(), rules));
        }
        let ImportCounts { imported, known } = match log {
            Some(log) => T::import(store, rules, page, log).await?,
            None => T::look(store, &page).await?,
        };
        carried.imported += imported;
        carried.known += known;
    }
}

/// Some lines.
struct LinePage<T> {
    items: Vec<T>,
    /// How many were read.
    lines: u64,
    /// Those of them that hold nothing.
    without_body: u64,
}

/// The next lines, of which the first has this number; none after the last.
fn next_page<T: Transfer>(input: &mut impl BufRead, first: u64) -> Result<LinePage<T>, LineError> {
    let mut page = LinePage { items: Vec::new(), lines: 0, without_body: 0 };
    let mut bytes = 0;
    while page.items.len() < PAGE && bytes < PAGE_BYTES_MAX {
        let Some(text) = next_line(input)? else { break };
        match T::read(&text, first + page.lines)? {
            Some(item) => {
                bytes += item.webhook().body().len();
                page.items.push(item);
            }
            None => page.without_body += 1,
        }
        page.lines += 1;
    }
    Ok(page)
}

/// The next webhooks of lines, of which the first has number `first`, and how many lines that were: 0 after the
/// last.
pub fn next_webhooks(
    input: &mut impl BufRead,
    first: u64,
) -> Result<(Vec<Webhook>, u64), LineError> {
    let page = next_page::<Webhook>(input, first)?;
    Ok((page.items, page.lines))
}
