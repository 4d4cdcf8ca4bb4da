//! `dead-letters`: webhooks that could not be processed.

mod groups;
mod jobs;
mod known;
mod list;
mod outcome;
mod replay;
mod resolve;
pub(super) mod scope;
mod show;
mod transfer;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::{open_existing_store, open_store};
use crate::store::Store;

/// Options of `dead-letters`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest dead-letters groups\n  waha-ingest dead-letters replay --group 5e3c1f0a9b7d2468 --dry-run\n  waha-ingest dead-letters replay --reason missing_field --rate 200 --yes\n  waha-ingest dead-letters discard --session test --note \"a test\" --yes"
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Count them by cause, the most frequent first.
    Groups(groups::Options),
    /// List them, oldest first.
    List(list::Options),
    /// Show one whole: every attempt, every replay, what the normalizer says of it now, its body.
    Show(show::Options),
    /// Publish them again under the same ids.
    ///
    /// A job in the database does it: started again with the same filter it goes on where it was
    /// interrupted, and replays each once. It goes slower while webhooks have to wait.
    Replay(replay::Options),
    /// List the jobs that replay, newest first.
    Jobs(jobs::Options),
    /// Stop a job for good; what it has published is not taken back.
    Cancel(jobs::Cancel),
    /// Give them up; they stay as rows.
    Discard(resolve::Options),
    /// Take discarding back: they are pending again.
    Restore(resolve::Options),
    /// Write them as lines of JSON, bodies byte for byte.
    Export(transfer::Export),
    /// Read such lines: what this ledger does not know becomes a pending dead letter.
    Import(transfer::Import),
}

/// What every action uses.
struct Context<'a> {
    config: &'a Config,
    clock: Arc<dyn Clock>,
    store: Arc<Store>,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = match &options.action {
        // May be the first thing that is done.
        Action::Import(_) => open_store(config, &clock).await?,
        _ => open_existing_store(config, &clock).await?,
    };
    let context = Context { config, clock, store };
    match options.action {
        Action::Groups(options) => groups::run(&context, &options).await,
        Action::List(options) => list::run(&context, options).await,
        Action::Show(options) => show::run(&context, options).await,
        Action::Replay(options) => replay::run(&context, options).await,
        Action::Jobs(options) => jobs::run(&context, options).await,
        Action::Cancel(options) => jobs::cancel(&context, options).await,
        Action::Discard(options) => resolve::discard(&context, options).await,
        Action::Restore(options) => resolve::restore(&context, options).await,
        Action::Export(options) => transfer::export(&context, options).await,
        Action::Import(options) => transfer::import(&context, options).await,
    }
}
