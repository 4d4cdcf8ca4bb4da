//! `dead-letters export` and `dead-letters import`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;
use serde_json::json;

use super::Context;
use super::known::ensure_known;
use crate::cli::actor::log_reading;
use crate::cli::output::errln;
use crate::cli::transfer::{ExportOptions, ImportOptions, Lines};
use crate::operations::{export_letters, import_letters};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::DeadLetterFilter;

/// Options of `dead-letters export`.
#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    which: DeadLetterFilter,
    #[command(flatten)]
    options: ExportOptions,
}

pub(super) async fn export(context: &Context<'_>, export: Export) -> anyhow::Result<ExitCode> {
    let Export { which, options } = export;
    let store = &context.store;
    let filter = which.or_states(&[DeadLetterState::Pending]);
    ensure!(filter.is_named() || options.all, "say which, such as --group, or --all");
    log_reading(store, json!({ "dead_letters": &filter })).await;
    let count = options.export(async |out| export_letters(store, &filter, out).await).await?;
    if count == 0 {
        ensure_known(context, &filter).await?;
    }
    errln!("exported {count}");
    Ok(ExitCode::SUCCESS)
}

/// Options of `dead-letters import`.
#[derive(Args)]
pub(super) struct Import {
    /// What `export` wrote.
    file: PathBuf,
    #[command(flatten)]
    options: ImportOptions,
}

pub(super) async fn import(context: &Context<'_>, import: Import) -> anyhow::Result<ExitCode> {
    let Import { file, options } = import;
    let store = &context.store;
    let rules = &context.config.rules;
    let read = async |mut lines: Lines, log| import_letters(store, rules, &mut lines, log).await;
    options.import(store, &file, "dead letters", read).await
}
