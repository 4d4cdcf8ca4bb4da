//! `webhooks list|show|renormalize|export|import`: the ledger, where every webhook that ended has a
//! row.

mod known;
mod list;
mod renormalize;
pub(super) mod show;
mod transfer;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::transfer::ImportOptions;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::{open_existing_store, open_store};

/// Options of `webhooks`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest webhooks list --outcome ignored --since 2026-11-01\n  waha-ingest webhooks show 12\n  waha-ingest webhooks renormalize --event label.upsert --dry-run"
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List them, newest first.
    List(list::Options),
    /// Show one whole, with its body and what the normalizer says of it now.
    Show(show::Options),
    /// Run stored bodies through the present normalizer and apply what they tell now.
    ///
    /// Safe at any time and however often: each webhook is applied under its first receipt, which
    /// doubles nothing. Adds and corrects rows, takes none away. Dead letters are left to
    /// `dead-letters replay`.
    Renormalize(renormalize::Options),
    /// Write them with their bodies, one JSON object a line, for `import` elsewhere.
    Export(transfer::Export),
    /// Take in what `export` wrote, as accepted and processed here and now.
    ///
    /// What the ledger knows already is left alone, so it is safe to import more than is missing, and
    /// to import again.
    Import(ImportOptions),
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = match &options.action {
        // May be the first thing that is done.
        Action::Import(_) => open_store(config, &clock).await?,
        _ => open_existing_store(config, &clock).await?,
    };
    match options.action {
        Action::List(options) => list::run(&store, options).await,
        Action::Show(options) => show::run(&store, &config.rules, options).await,
        Action::Renormalize(options) => renormalize::run(&store, &config.rules, options).await,
        Action::Export(options) => transfer::export(&store, options).await,
        Action::Import(options) => transfer::import(&store, &config.rules, options).await,
    }
}
