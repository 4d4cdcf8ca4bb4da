//! `webhooks show`: a ledger row, its body, and what the normalizer says of it now.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use sea_orm::Order;
use serde_json::Value;

use crate::desk::Reading;
use crate::normalize::{NORMALIZER_VERSION, Rules};
use crate::store::Store;
use crate::store::history::{Filter, Row};
use crate::waha::json;

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
    let filter = Filter { ids: vec![options.id], ..Filter::default() };
    let rows = store.history(&filter, Order::Asc, 1).await?;
    let row = rows.first().with_context(|| format!("there is no webhook {}", options.id))?;
    let body = store.bodies(&[row.id]).await?.remove(&row.id);
    if options.raw {
        let body = body.context("its body is not stored")?;
        std::io::stdout().lock().write_all(&body)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(row);
    match body {
        None => println!("body         not stored"),
        Some(body) => {
            println!("body         {} bytes", body.len());
            println!(
                "now          {} (normalizer {NORMALIZER_VERSION})",
                Reading::of(&row.webhook(body.clone()), rules)
            );
            println!("\n{}", pretty(&body));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(row: &Row) {
    println!("id           {}", row.id);
    println!("webhook      {} {} {} {}", row.source, row.session, row.event_type, row.webhook_id);
    println!("at           {}", row.webhook_at.to_rfc3339());
    println!("received     {}", row.received_at.to_rfc3339());
    println!("processed    {}", row.processed_at.to_rfc3339());
    let reason = row.reason.as_ref().map(|reason| format!(", {reason}")).unwrap_or_default();
    let (outcome, version) = (&row.outcome, row.normalizer_version);
    println!("outcome      {outcome}{reason} (attempt {}, normalizer {version})", row.attempts);
}

/// Indented if it is JSON that can be read, odd escapes and all.
pub(in crate::cli) fn pretty(body: &[u8]) -> String {
    let text = json::storable(body);
    let as_it_is = |_| String::from_utf8_lossy(body).into_owned();
    json::parse(&text).map_or_else(as_it_is, |value| format!("{:#}", Value::from(&value)))
}
