//! `webhooks show`: a ledger row, its body, and what the normalizer says of it now.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use sea_orm::Order;
use serde_json::json;

use crate::cli::actor::log_reading;
use crate::cli::output::{bytes, json_line, outln};
use crate::cli::time;
use crate::normalize::{NORMALIZER_VERSION, Rules};
use crate::operations::{WebhookDetail, indented};
use crate::store::Store;
use crate::store::operations::history::{LedgerFilter, LedgerRow};
use crate::store::operations::page::RowPage;

/// Options of `webhooks show`.
#[derive(Args)]
pub(super) struct Options {
    /// Number in the list.
    id: i64,
    /// Only the body, byte for byte as it was signed.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    store: &Store,
    rules: &Rules,
    options: Options,
) -> anyhow::Result<ExitCode> {
    let filter = LedgerFilter { ids: vec![options.id], ..LedgerFilter::default() };
    let row = store.history(&filter, RowPage::first(1), Order::Asc).await?.pop();
    let row = row.with_context(|| format!("there is no webhook {}", options.id))?;
    let body = store.bodies(&[row.id]).await?.remove(&row.id).transpose()?;
    if body.is_some() {
        log_reading(store, json!({ "webhook": row.id })).await;
    }
    if options.raw {
        let body = body.context("its body is not stored")?;
        bytes(&body)?;
        return Ok(ExitCode::SUCCESS);
    }
    let detail = WebhookDetail::new(row, body.as_ref(), true, rules);
    if options.json {
        json_line(&serde_json::to_string(&detail)?);
        return Ok(ExitCode::SUCCESS);
    }
    print(&detail.webhook);
    match body {
        None => outln!("body         not stored"),
        Some(body) => print_read(&detail, &body),
    }
    Ok(ExitCode::SUCCESS)
}

/// What is read of the body, and the body.
fn print_read(detail: &WebhookDetail, body: &[u8]) {
    outln!("body         {} bytes", body.len());
    if let Some(now) = &detail.now {
        outln!("now          {now} (normalizer {NORMALIZER_VERSION})");
    }
    for (what, rows) in detail.rows.iter().flatten() {
        for (number, row) in rows.iter().enumerate() {
            let what = if number == 0 { what } else { "" };
            outln!("  {what:<24}{row}");
        }
    }
    outln!("\n{}", pretty(body));
}

fn print(row: &LedgerRow) {
    outln!("id           {}", row.id);
    outln!("webhook      {} {} {} {}", row.source, row.session, row.event_type, row.webhook_id);
    outln!("at           {}", time::exact(row.webhook_at));
    outln!("received     {}", time::exact(row.received_at));
    outln!("processed    {}", time::exact(row.processed_at));
    let reason = row.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let (outcome, version) = (row.outcome.name(), row.normalizer_version);
    outln!("outcome      {outcome}{reason} (attempt {}, normalizer {version})", row.attempts);
}

/// The body, indented if it is JSON of which that leaves nothing out, with escapes for what commands a
/// terminal; else as it came, after a line that says why.
pub(in crate::cli) fn pretty(body: &[u8]) -> String {
    match indented(body) {
        Ok(indented) => indented,
        Err(why) => format!("As it came, because {why}:\n\n{}", String::from_utf8_lossy(body)),
    }
}
