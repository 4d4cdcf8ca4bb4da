//! `status settle`: an operator decides what `status` can't know, with an entry in the audit log.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::sources::StatusSources;
use crate::cli::actor::actor;
use crate::cli::confirm;
use crate::cli::output::{errln, outln};
use crate::config::Config;
use crate::store::operations::settlement::Settlement;

/// Options of `status settle`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest status settle --dry-run\n  waha-ingest status settle --yes --note \"purged by mistake\"\n\nExit code 3: nothing is known well enough to be settled."
)]
pub struct SettleOptions {
    /// With a broker: the spool file of each `serve`; without it the one in the data folder.
    #[arg(long, value_name = "FILE")]
    spool: Vec<PathBuf>,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Say what would be settled, and settle nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
}

/// Runs it.
pub(super) async fn run(config: &Config, options: SettleOptions) -> anyhow::Result<ExitCode> {
    let sight = StatusSources::open(config, &options.spool).await?;
    let settled = match sight.settlement().await? {
        Ok(settled) => settled,
        Err(reason) => {
            errln!("nothing can be settled now: {reason}");
            return Ok(ExitCode::from(super::UNKNOWN));
        }
    };
    outln!("{}", describe(&settled));
    if settled == Settlement::default() || options.dry_run || !confirm("Settle?", options.yes)? {
        return Ok(ExitCode::SUCCESS);
    }
    let entry = sight.settle(&settled, &actor(), options.note.as_deref()).await;
    outln!("Settled: entry {} of the audit log.", entry.context("nothing was settled")?);
    Ok(ExitCode::SUCCESS)
}

fn describe(settled: &Settlement) -> String {
    let Settlement { lost, found, until_ms } = settled;
    let mut lines = Vec::new();
    if *lost > 0 {
        lines.push(format!("{lost} webhooks are missing: they will count as lost."));
    }
    if *found > 0 {
        lines.push(format!("{found} webhooks were not counted: they will count as accepted."));
    }
    if !until_ms.is_empty() {
        let doors = until_ms.len();
        lines.push(format!(
            "What {doors} doors or queue files may have lost or left uncounted is decided by that."
        ));
    }
    if lines.is_empty() {
        lines.push("There is nothing to settle.".to_owned());
    }
    lines.join("\n")
}
