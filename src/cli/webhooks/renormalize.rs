//! `webhooks renormalize`.

use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;

use super::known::ensure_known;
use crate::cli::actor::actor;
use crate::cli::output::{errln, json_line, outln};
use crate::cli::{confirm, progress_bar};
use crate::normalize::{NORMALIZER_VERSION, Rules};
use crate::renormalize::{RenormalizeCounts, Renormalizer, entry};
use crate::store::Store;
use crate::store::operations::history::{LedgerFilter, LedgerGroup};

/// Options of `webhooks renormalize`.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Options {
    #[command(flatten)]
    which: LedgerFilter,
    /// All of them: needed where nothing else says which.
    #[arg(long)]
    all: bool,
    /// Read them again and say what would become of them; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Don't ask.
    #[arg(long)]
    yes: bool,
    /// Most webhooks per second.
    #[arg(long)]
    rate: Option<f64>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Runs it. Exit code 1: some could not be read or written, and were left as they are.
pub(super) async fn run(
    store: &Store,
    rules: &Rules,
    options: Options,
) -> anyhow::Result<ExitCode> {
    ensure!(
        options.all || options.which.is_named(),
        "say which: --event, --session, --source, --since, --until, --outcome, --reason, --id, \
         --normalizer-version, or --all"
    );
    ensure!(options.rate.is_none_or(|rate| rate > 0.0), "--rate must be above 0");
    let filter = options.which;
    let rows = total(&store.history_groups(&filter).await?);
    if rows == 0 {
        ensure_known(store, &filter).await?;
    }
    errln!("{rows} webhooks would be read again by normalizer {NORMALIZER_VERSION}");
    if rows == 0 || !(options.dry_run || confirm("Go on?", options.yes)?) {
        return Ok(ExitCode::SUCCESS);
    }
    let bar = progress_bar(rows);
    let writes = !options.dry_run;
    let log = if writes { Some(store.record(&entry(&filter, &actor())).await?) } else { None };
    let renormalizer = Renormalizer { store, rules, writes, rate: options.rate };
    let tick = |count| bar.inc(u64::try_from(count).unwrap_or_default());
    let tally = renormalizer.run(filter, tick).await?;
    bar.finish_and_clear();
    if let Some(log) = log {
        store.record_more(log, tally.read_again()).await?;
    }
    print(&tally, writes, options.json);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn total(groups: &[LedgerGroup]) -> u64 {
    groups.iter().map(|group| u64::try_from(group.total).unwrap_or_default()).sum()
}

fn print(tally: &RenormalizeCounts, writes: bool, json: bool) {
    if json {
        json_line(&to_json(tally));
        return;
    }
    let verb = if writes { "is" } else { "would be" };
    for (change, count) in &tally.ended {
        outln!(
            "{:<32}{:>9}  was {}, {verb} {}",
            change.event_type,
            count,
            change.before,
            change.after
        );
    }
    for (event_type, count) in &tally.without_body {
        outln!("{event_type:<32}{count:>9}  left: the body is not stored");
    }
    if tally.dead_lettered > 0 {
        outln!("{:<32}{:>9}  left: see `dead-letters replay`", "dead letters", tally.dead_lettered);
    }
    for failure in &tally.failures {
        outln!("webhook {}  left, failed: {}", failure.id, failure.error);
    }
    outln!("looked at {}, failed {}", tally.seen, tally.failed);
}

fn to_json(tally: &RenormalizeCounts) -> serde_json::Value {
    let ended = tally.ended.iter().map(|(change, count)| {
        serde_json::json!({
            "event_type": change.event_type, "before": change.before, "after": change.after,
            "count": count,
        })
    });
    let failures = tally
        .failures
        .iter()
        .map(|failure| serde_json::json!({ "id": failure.id, "error": failure.error }));
    serde_json::json!({
        "seen": tally.seen, "ended": ended.collect::<Vec<_>>(),
        "without_body": tally.without_body, "dead_lettered": tally.dead_lettered,
        "failed": tally.failed, "failures": failures.collect::<Vec<_>>(),
    })
}
