//! `dead-letters export` and `dead-letters import`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::Context;
use super::scope::prospect;
use super::which::Which;
use crate::cli::actor::{actor, log_reading};
use crate::cli::confirm;
use crate::cli::output::{Harmless, errln, json_line, outln};
use crate::desk;
use crate::store::audit::{Action, Deed};
use crate::store::dead_letter::State;

/// Options of `dead-letters export`.
#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    which: Which,
    /// All of them: needed where nothing else says which.
    #[arg(long)]
    all: bool,
    /// Where to; without it to stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `dead-letters import`.
#[derive(Args)]
pub(super) struct Import {
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

pub(super) async fn export(context: &Context<'_>, options: Export) -> anyhow::Result<ExitCode> {
    let filter = options.which.filter(&[State::Pending]);
    ensure!(filter.is_named() || options.all, "say which, such as --group, or --all");
    log_reading(&context.store, serde_json::json!({ "dead_letters": &filter })).await;
    let count = if let Some(path) = &options.output {
        let mut out = BufWriter::new(new_file(path)?);
        let count = desk::export(&context.store, &filter, &mut out).await?;
        out.into_inner()?.sync_all()?;
        count
    } else {
        let mut out = BufWriter::new(Harmless::default());
        let count = desk::export(&context.store, &filter, &mut out).await?;
        out.flush()?;
        count
    };
    errln!("exported {count}");
    Ok(ExitCode::SUCCESS)
}

pub(in crate::cli) fn new_file(path: &Path) -> anyhow::Result<File> {
    File::create_new(path).with_context(|| path.display().to_string())
}

pub(super) async fn import(context: &Context<'_>, options: Import) -> anyhow::Result<ExitCode> {
    let (store, rules) = (&context.store, &context.config.rules);
    let would = desk::import(store, rules, &mut open(&options.file)?, None).await?;
    let new = would.lines - would.known;
    if options.dry_run && options.json {
        json_line(&serde_json::to_string(&would)?);
        return Ok(ExitCode::SUCCESS);
    }
    let text = format!(
        "{} dead letters: {new} would be imported, {} are known here\n{}",
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
    let carried = desk::import(store, rules, &mut open(&options.file)?, Some(log)).await?;
    if options.json {
        json_line(&serde_json::to_string(&carried)?);
    } else {
        outln!("imported {}, known {}", carried.imported, carried.known);
    }
    Ok(ExitCode::SUCCESS)
}

/// A file that was exported.
pub(in crate::cli) fn open(path: &Path) -> anyhow::Result<impl BufRead + Send + use<>> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(BufReader::new(file))
}
