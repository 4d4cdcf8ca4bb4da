//! `webhooks list`.

use std::process::ExitCode;

use clap::Args;
use sea_orm::Order;

use super::which::Which;
use crate::cli::output::outln;
use crate::store::Store;
use crate::store::operations::history::LedgerRow;

/// Rows read at a time.
const PAGE: u64 = 500;

/// Options of `webhooks list`.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    which: Which,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u64,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(store: &Store, options: Options) -> anyhow::Result<ExitCode> {
    let (mut filter, mut left) = (options.which.filter(), options.limit);
    if !options.json {
        outln!(
            "{:<10}{:<25}{:<16}{:<32}{:<15}{:<17}{:>8}{:>9}",
            "id",
            "received",
            "session",
            "event",
            "outcome",
            "reason",
            "version",
            "bytes"
        );
    }
    while left > 0 {
        let page = store.history(&filter, Order::Desc, left.min(PAGE)).await?;
        let Some(last) = page.last() else { break };
        filter.last_id = Some(last.id - 1);
        left = left.saturating_sub(PAGE);
        page.iter().for_each(if options.json { print_json } else { print_line });
    }
    Ok(ExitCode::SUCCESS)
}

fn print_line(row: &LedgerRow) {
    outln!(
        "{:<10}{:<25}{:<16}{:<32}{:<15}{:<17}{:>8}{:>9}",
        row.id,
        row.received_at.format("%Y-%m-%d %H:%M:%S%.3f"),
        row.session,
        row.event_type,
        row.outcome,
        row.reason.as_deref().unwrap_or("-"),
        row.normalizer_version,
        row.body_bytes.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()),
    );
}

fn print_json(row: &LedgerRow) {
    outln!(
        "{}",
        serde_json::json!({
            "id": row.id, "source": row.source, "session": row.session,
            "event_type": row.event_type, "webhook_id": row.webhook_id, "outcome": row.outcome,
            "reason": row.reason, "attempts": row.attempts,
            "normalizer_version": row.normalizer_version,
            "webhook_at": row.webhook_at.to_rfc3339(),
            "received_at": row.received_at.to_rfc3339(),
            "processed_at": row.processed_at.to_rfc3339(), "body_bytes": row.body_bytes,
        })
    );
}
