//! `webhooks list`.

use std::process::ExitCode;

use clap::Args;
use indicatif::ProgressBar;

use super::known::ensure_known;
use crate::cli::output::{errln, is_read, json_line, limit};
use crate::cli::table::{Table, kept, number, or_dash, spare, text};
use crate::cli::{progress_bar, time};
use crate::store::Store;
use crate::store::operations::history::{LedgerFilter, LedgerRow};

/// Rows read at a time.
const PAGE: u64 = 500;

/// Options of `webhooks list`.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    which: LedgerFilter,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = limit())]
    limit: u64,
    /// Only numbers below this one, to go on.
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(store: &Store, options: Options) -> anyhow::Result<ExitCode> {
    let filter = options.which;
    let mut next = options.before;
    let mut left = options.limit;
    let bar = search_bar(store, &filter).await?;
    while left > 0 && is_read() {
        let page = store.history_page(&filter, next, left.min(PAGE)).await?;
        left -= page.rows.len() as u64;
        next = page.next;
        bar.suspend(|| print(&page.rows, options.json))?;
        let Some(next) = next else { break };
        bar.set_position(bar.length().unwrap_or_default().saturating_sub(next.unsigned_abs()));
    }
    bar.finish_and_clear();
    if left == options.limit {
        ensure_known(store, &filter).await?;
        if !options.json {
            errln!("no webhooks");
        }
    }
    if let Some(next) = next.filter(|_| is_read()) {
        errln!("there may be more: --before {next} goes on, --limit shows more");
    }
    Ok(ExitCode::SUCCESS)
}

/// Shown where rows are searched, which takes its time in a long ledger.
async fn search_bar(store: &Store, filter: &LedgerFilter) -> anyhow::Result<ProgressBar> {
    if !filter.is_named() {
        return Ok(ProgressBar::hidden());
    }
    Ok(progress_bar(store.history_end().await?.unsigned_abs()))
}

fn print(rows: &[LedgerRow], json: bool) -> anyhow::Result<()> {
    if json {
        for row in rows {
            json_line(&serde_json::to_string(row)?);
        }
    } else if !rows.is_empty() {
        print_page(rows);
    }
    Ok(())
}

fn print_page(rows: &[LedgerRow]) {
    let mut table = Table::new(&[
        number("id"),
        kept("received"),
        text("session"),
        text("event"),
        kept("outcome"),
        text("reason"),
        spare("version"),
        spare("bytes"),
    ]);
    for row in rows {
        table.row([
            row.id.to_string(),
            time::short(row.received_at),
            row.session.clone(),
            row.event_type.clone(),
            row.outcome.name().to_owned(),
            or_dash(row.reason.as_ref()),
            row.normalizer_version.to_string(),
            or_dash(row.body_bytes),
        ]);
    }
    table.print();
}
