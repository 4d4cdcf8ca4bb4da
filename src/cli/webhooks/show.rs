//! `webhooks show`: a ledger row, its body, and what the normalizer says of it now.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use sea_orm::Order;
use serde_json::{Value, json};

use crate::cli::actor::log_reading;
use crate::cli::output::{bytes, escaped_json, outln};
use crate::cli::time;
use crate::normalize::{NORMALIZER_VERSION, Rules};
use crate::operations::DryRun;
use crate::store::Store;
use crate::store::operations::history::{LedgerFilter, LedgerRow};
use crate::store::operations::page::RowPage;
use crate::waha::json::{self as waha_json, Node};

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
    let rows = store.history(&filter, RowPage::first(1), Order::Asc).await?;
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
                DryRun::of(&row.webhook(body.clone()), rules)
            );
            outln!("\n{}", pretty(&body));
        }
    }
    Ok(ExitCode::SUCCESS)
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
    let text = waha_json::storable(body);
    match indented(&text) {
        Ok(indented) => indented,
        Err(why) => format!("As it came, because {why}:\n\n{}", String::from_utf8_lossy(body)),
    }
}

fn indented(text: &str) -> Result<String, String> {
    let value = waha_json::parse(text).map_err(|error| error.to_string())?;
    match Node::from(&value).repeated_name() {
        Some(name) => Err(format!("the name {name:?} is twice in one object")),
        None => Ok(escaped_json(&format!("{:#}", Value::from(&value)))),
    }
}
