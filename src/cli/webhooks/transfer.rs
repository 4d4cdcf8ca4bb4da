//! `webhooks export` and `webhooks import`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;
use serde_json::json;

use super::known::ensure_known;
use crate::cli::actor::log_reading;
use crate::cli::archived::ArchivedMonth;
use crate::cli::output::errln;
use crate::cli::transfer::{ExportOptions, ImportOptions, Lines};
use crate::config::Config;
use crate::operations::{ExportedWebhooks, export_webhooks, import_webhooks};
use crate::store::Store;
use crate::store::bodies::BodyError;
use crate::store::operations::history::LedgerFilter;
use crate::store::operations::retention::month::Month;

/// Options of `webhooks export`.
#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    which: LedgerFilter,
    #[command(flatten)]
    options: ExportOptions,
}

/// Runs it. Exit code 1: some are stored and can't be read; the others were written.
pub(super) async fn export(store: &Store, export: Export) -> anyhow::Result<ExitCode> {
    let Export { which: filter, options } = export;
    ensure!(options.all || filter.is_named(), "say which, such as --since or --session, or --all");
    log_reading(store, json!({ "webhooks": &filter })).await;
    let whole = filter.clone();
    let unreadable = |error: &BodyError| errln!("left out: {error}");
    let exported =
        options.export(async |out| export_webhooks(store, whole.clone(), out, unreadable).await);
    let ExportedWebhooks { lines, without_body, unreadable } = exported.await?;
    if lines + without_body + unreadable == 0 {
        ensure_known(store, &filter).await?;
    }
    errln!("exported {lines}, left out {without_body} whose body the ledger does not hold");
    if without_body > 0 {
        errln!("dead letters keep theirs: see `waha-ingest dead-letters export`");
    }
    if unreadable > 0 {
        errln!("left out {unreadable} whose body can't be read");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Options of `webhooks import`.
#[derive(Args)]
pub(super) struct Import {
    /// What `export` or the archive wrote, packed or not.
    #[arg(required_unless_present = "from_archive")]
    file: Option<PathBuf>,
    /// A month of the archive, such as 2026-08.
    #[arg(long, value_name = "MONTH", conflicts_with = "file")]
    from_archive: Option<Month>,
    #[command(flatten)]
    options: ImportOptions,
}

pub(super) async fn import(
    store: &Store,
    config: &Config,
    import: Import,
) -> anyhow::Result<ExitCode> {
    let Import { file, from_archive, options } = import;
    let rules = &config.rules;
    let read = async |mut lines: Lines, log| import_webhooks(store, rules, &mut lines, log).await;
    if let Some(month) = from_archive {
        let copy = ArchivedMonth::fetch(config, month).await?;
        return options.import(store, copy.path(), "webhooks", read).await;
    }
    options.import(store, &file.unwrap_or_default(), "webhooks", read).await
}
