//! `spool drain`: brings what a spool holds to the broker where no `serve` does it any more.
//!
//! Invariant: it is the only one on its folder, as a door would be, and says done only when nothing is
//! left in the spool.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use super::progress_bar;
use crate::cli::output::{errln, outln};
use crate::clock::{Clock, SystemClock};
use crate::config::{Backend, Config};
use crate::lifecycle::{open_left_spool, stop_on_signals};
use crate::queue::spool::DoorCounts;

/// How often it looks what is left.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Options of `spool`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest spool drain\n  waha-ingest spool drain --spool /left/spool.db"
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Publish all that a left spool holds to the broker, and end when it is empty.
    Drain(DrainOptions),
}

/// Options of `spool drain`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest spool drain\n  waha-ingest spool drain --spool /left/spool.db\n\nIt waits for a broker that is away. Exit codes: 0 the spool is empty, 1 it is in use, can't be read, or a signal came before it was empty: nothing is lost by that."
)]
struct DrainOptions {
    /// The spool file; without it the one in the data folder.
    #[arg(long, value_name = "FILE")]
    spool: Option<PathBuf>,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let Action::Drain(DrainOptions { spool }) = options.action;
    let Backend::Broker(broker) = &config.queue.backend else {
        anyhow::bail!("queue.url names no broker: only doors of a broker have a spool");
    };
    let path = spool.unwrap_or_else(|| config.spool_path());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stop = stop_on_signals()?;
    let _left = open_left_spool(config, broker, &path, &clock)?;
    drain(&path, stop).await
}

/// Waits until the spool is empty; its own tasks publish.
async fn drain(path: &Path, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let total = waiting(path).await?;
    let bar = progress_bar(total);
    let mut left = total;
    while left > 0 {
        let pause = tokio::time::sleep(LOOK_EVERY);
        if stop.run_until_cancelled(pause).await.is_none() {
            bar.finish_and_clear();
            errln!("stopped: {left} webhooks are still in {}", path.display());
            return Ok(ExitCode::FAILURE);
        }
        left = waiting(path).await?;
        bar.set_position(total.saturating_sub(left));
    }
    bar.finish_and_clear();
    outln!("{total} webhooks were published; {} is empty", path.display());
    Ok(ExitCode::SUCCESS)
}

/// All that is in it; replays are no part of what the door has accepted and waits.
async fn waiting(path: &Path) -> anyhow::Result<u64> {
    let counts = DoorCounts::read(path).await;
    let counts = counts.with_context(|| format!("the spool {}", path.display()))?;
    Ok(counts.waiting + counts.replays)
}
