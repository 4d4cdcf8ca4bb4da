//! `webhooks export` and `webhooks import`.

use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;
use serde_json::json;

use super::known::ensure_known;
use crate::cli::actor::log_reading;
use crate::cli::output::errln;
use crate::cli::transfer::{ExportOptions, ImportOptions};
use crate::normalize::Rules;
use crate::operations::{ExportedWebhooks, export_webhooks, import_webhooks};
use crate::store::Store;
use crate::store::operations::history::LedgerFilter;

/// Options of `webhooks export`.
#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    which: LedgerFilter,
    #[command(flatten)]
    options: ExportOptions,
}

pub(super) async fn export(store: &Store, export: Export) -> anyhow::Result<ExitCode> {
    let Export { which: filter, options } = export;
    ensure!(options.all || filter.is_named(), "say which, such as --since or --session, or --all");
    log_reading(store, json!({ "webhooks": &filter })).await;
    let whole = filter.clone();
    let exported = options.export(async |out| export_webhooks(store, whole.clone(), out).await);
    let ExportedWebhooks { lines, without_body } = exported.await?;
    if lines + without_body == 0 {
        ensure_known(store, &filter).await?;
    }
    errln!("exported {lines}, left out {without_body} whose body the ledger does not hold");
    if without_body > 0 {
        errln!("dead letters keep theirs: see `waha-ingest dead-letters export`");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn import(
    store: &Store,
    rules: &Rules,
    options: ImportOptions,
) -> anyhow::Result<ExitCode> {
    let import = async |mut file, log| import_webhooks(store, rules, &mut file, log).await;
    options.import(store, "webhooks", import).await
}
