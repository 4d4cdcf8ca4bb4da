//! `webhooks list`.

use std::process::ExitCode;

use clap::Args;
use sea_orm::Order;

use super::known::ensure_known;
use crate::cli::output::{errln, is_read, json_line};
use crate::cli::table::{Table, kept, number, spare, text};
use crate::cli::time;
use crate::store::Store;
use crate::store::operations::history::{LedgerFilter, LedgerRow};
use crate::store::operations::page::RowPage;

/// Rows read at a time.
const PAGE: u64 = 500;

/// Options of `webhooks list`.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    which: LedgerFilter,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(store: &Store, options: Options) -> anyhow::Result<ExitCode> {
    let filter = options.which;
    let mut last_id = i64::MAX;
    let mut left = options.limit;
    let mut is_first = true;
    while left > 0 && is_read() {
        let page = RowPage { last_id, ..RowPage::first(left.min(PAGE)) };
        let page = store.history(&filter, page, Order::Desc).await?;
        let Some(last) = page.last() else { break };
        last_id = last.id - 1;
        left = left.saturating_sub(PAGE);
        is_first = false;
        if options.json {
            page.iter().for_each(print_json);
        } else {
            print_page(&page);
        }
    }
    if is_first {
        ensure_known(store, &filter).await?;
    }
    if is_first && !options.json {
        errln!("no webhooks");
    }
    Ok(ExitCode::SUCCESS)
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
            row.reason.clone().unwrap_or_else(|| "-".to_owned()),
            row.normalizer_version.to_string(),
            row.body_bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()),
        ]);
    }
    table.print();
}

fn print_json(row: &LedgerRow) {
    json_line(&serde_json::json!({
        "id": row.id, "source": row.source, "session": row.session,
            "event_type": row.event_type, "webhook_id": row.webhook_id, "outcome": row.outcome,
            "reason": row.reason, "attempts": row.attempts,
            "normalizer_version": row.normalizer_version,
            "webhook_at": row.webhook_at, "received_at": row.received_at,
            "processed_at": row.processed_at, "body_bytes": row.body_bytes,
    }));
}
