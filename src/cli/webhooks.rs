//! `webhooks list|show|renormalize|export|import`: the ledger, where every webhook that ended has a
//! row; and `webhooks retrying|retry`: what waits for its next attempt.

mod known;
mod list;
mod renormalize;
mod retries;
pub(super) mod show;
mod transfer;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::output::listed;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::{open_existing_store, open_store};

/// Options of `webhooks`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest webhooks list --outcome ignored --since 2026-11-01\n  waha-ingest webhooks show 12\n  waha-ingest webhooks retrying\n  waha-ingest webhooks retry --now --group 5e3c1f0a9b7d2468\n  waha-ingest webhooks renormalize --event label.upsert --dry-run"
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
    /// List those that wait for their next attempt, with their last error and when it is due.
    Retrying(retries::ListOptions),
    /// Try such webhooks now; attempts that were used stay used.
    Retry(retries::RetryOptions),
    /// Run stored bodies through the present normalizer and apply what they tell now.
    ///
    /// Safe at any time and however often: each webhook is applied under its first receipt, which
    /// doubles nothing. Adds and corrects rows, takes none away. Dead letters are left to
    /// `dead-letters replay`.
    Renormalize(renormalize::Options),
    /// Write them with their bodies, one JSON object a line, for `import` elsewhere.
    Export(transfer::Export),
    /// Take in what `export` or the archive wrote, as accepted and processed here and now.
    ///
    /// What the ledger knows already is left alone, so it is safe to import more than is missing, and
    /// to import again.
    Import(transfer::Import),
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    if let Action::Retrying(options) = &options.action {
        return retries::list(config, &clock, options).await;
    }
    let store = match &options.action {
        // May be the first thing that is done.
        Action::Import(_) => open_store(config, &clock).await?,
        _ => open_existing_store(config, &clock).await?,
    };
    match options.action {
        Action::List(options) => listed(Box::pin(list::run(&store, options))).await,
        Action::Show(options) => listed(Box::pin(show::run(&store, &config.rules, options))).await,
        Action::Retrying(_) => Ok(ExitCode::SUCCESS),
        Action::Retry(options) => retries::retry(config, &clock, &store, options).await,
        Action::Renormalize(options) => renormalize::run(&store, config, options).await,
        Action::Export(options) => listed(Box::pin(transfer::export(&store, options))).await,
        Action::Import(options) => transfer::import(&store, config, options).await,
    }
}
