//! `webhooks show`: a ledger row, its body, and what the normalizer says of it now.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use sea_orm::Order;
use serde_json::{Value, json};

use crate::cli::actor::log_reading;
use crate::cli::output::{bytes, escaped_json, outln};
use crate::desk::Reading;
use crate::normalize::{NORMALIZER_VERSION, Rules};
use crate::store::Store;
use crate::store::operations::history::{LedgerFilter, LedgerRow};
use crate::waha::json as waha_json;

/// Options of `webhooks show`.
#[derive(Args)]
pub(super) struct Options {
    /// Number in the list.
    id: i64,
    /// Only the body, byte for byte as it was signed.
    #[arg(long)]
    raw: bool,
}

pub(super) async fn run(
    store: &Store,
    rules: &Rules,
    options: Options,
) -> anyhow::Result<ExitCode> {
    let filter = LedgerFilter { ids: vec![options.id], ..LedgerFilter::default() };
    let rows = store.history(&filter, Order::Asc, 1).await?;
    let row = rows.first().with_context(|| format!("there is no webhook {}", options.id))?;
    let body = store.bodies(&[row.id]).await?.remove(&row.id);
    if body.is_some() {
        log_reading(store, json!({ "webhook": row.id })).await;
    }
    if options.raw {
        let body = body.context("its body is not stored")?;
        bytes(&body)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(row);
    match body {
        None => outln!("body         not stored"),
        Some(body) => {
            outln!("body         {} bytes", body.len());
            outln!(
                "now          {} (normalizer {NORMALIZER_VERSION})",
                Reading::of(&row.webhook(body.clone()), rules)
            );
            outln!("\n{}", pretty(&body));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(row: &LedgerRow) {
    outln!("id           {}", row.id);
    outln!("webhook      {} {} {} {}", row.source, row.session, row.event_type, row.webhook_id);
    outln!("at           {}", row.webhook_at.to_rfc3339());
    outln!("received     {}", row.received_at.to_rfc3339());
    outln!("processed    {}", row.processed_at.to_rfc3339());
    let reason = row.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let (outcome, version) = (&row.outcome, row.normalizer_version);
    outln!("outcome      {outcome}{reason} (attempt {}, normalizer {version})", row.attempts);
}

/// Indented if it is JSON that can be read, odd escapes and all, with escapes for what commands a
/// terminal.
pub(in crate::cli) fn pretty(body: &[u8]) -> String {
    let text = waha_json::storable(body);
    let as_it_is = |_| String::from_utf8_lossy(body).into_owned();
    let indented = |value: &_| escaped_json(&format!("{:#}", Value::from(value)));
    waha_json::parse(&text).map_or_else(as_it_is, |value| indented(&value))
}
