//! `webhooks export` and `webhooks import`.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;

use super::which::Which;
use crate::cli::actor::{actor, log_reading};
use crate::cli::confirm;
use crate::cli::dead_letters::carry::{new_file, open};
use crate::cli::dead_letters::scope::prospect;
use crate::cli::output::{Harmless, errln, json_line, outln};
use crate::desk::{ExportedWebhooks, export_webhooks, import_webhooks};
use crate::normalize::Rules;
use crate::store::Store;
use crate::store::audit::{Action, Deed};

/// Options of `webhooks export`.
#[derive(Args)]
pub(super) struct ExportOptions {
    #[command(flatten)]
    which: Which,
    /// All of them: needed where nothing else says which.
    #[arg(long)]
    all: bool,
    /// Where to; without it to stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `webhooks import`.
#[derive(Args)]
pub(super) struct ImportOptions {
    /// What `export` wrote.
    file: PathBuf,
    /// Say what would be imported; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
    /// Why, for the audit log.
    #[arg(long)]
    note: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn export(store: &Store, options: ExportOptions) -> anyhow::Result<ExitCode> {
    ensure!(
        options.all || options.which.is_named(),
        "say which, such as --since or --session, or --all"
    );
    let filter = options.which.filter();
    log_reading(store, serde_json::json!({ "webhooks": format!("{filter:?}") })).await;
    let exported = if let Some(path) = &options.output {
        let mut out = BufWriter::new(new_file(path)?);
        let exported = export_webhooks(store, filter, &mut out).await?;
        out.into_inner()?.sync_all()?;
        exported
    } else {
        let mut out = BufWriter::new(Harmless::default());
        let exported = export_webhooks(store, filter, &mut out).await?;
        out.flush()?;
        exported
    };
    let ExportedWebhooks { lines, without_body } = exported;
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
    let would = import_webhooks(store, rules, &mut open(&options.file)?, None).await?;
    let new = would.lines - would.known;
    if options.dry_run && options.json {
        json_line(&serde_json::to_string(&would)?);
        return Ok(ExitCode::SUCCESS);
    }
    let text = format!(
        "{} webhooks: {new} would be imported, {} are known here\n{}",
        would.lines,
        would.known,
        prospect(&would.would_end)
    );
    if options.dry_run {
        outln!("{}", text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    errln!("{}", text.trim_end());
    if new == 0 || !confirm("Go on?", options.yes)? {
        return Ok(ExitCode::SUCCESS);
    }
    let actor = actor();
    let new_values = serde_json::json!({ "file": options.file.display().to_string() });
    let note = options.note.as_deref();
    let deed = Deed { new_values: Some(new_values), note, ..Deed::new(Action::Import, &actor) };
    let log = store.log_deed(&deed).await?;
    let imported = import_webhooks(store, rules, &mut open(&options.file)?, Some(log)).await?;
    if options.json {
        json_line(&serde_json::to_string(&imported)?);
    } else {
        outln!("imported {}, known {}", imported.imported, imported.known);
    }
    Ok(ExitCode::SUCCESS)
}
