//! `webhooks renormalize`.

use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;

use super::known::ensure_known;
use crate::cli::actor::actor;
use crate::cli::archived::{ArchivedMonth, open_lines};
use crate::cli::output::{errln, json_line, outln};
use crate::cli::{confirm, progress_bar};
use crate::config::Config;
use crate::normalize::NORMALIZER_VERSION;
use crate::renormalize::{ArchivedCounts, RenormalizeCounts, Renormalizer, entry};
use crate::store::Store;
use crate::store::audit::{AuditAction, AuditEntry};
use crate::store::operations::history::{LedgerFilter, LedgerGroup};
use crate::store::operations::retention::month::Month;

/// Options of `webhooks renormalize`.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Options {
    #[command(flatten)]
    which: LedgerFilter,
    /// All of them: needed where nothing else says which.
    #[arg(long)]
    all: bool,
    /// A month of the archive, such as 2026-08, whose webhooks the ledger does not have any more. Nothing is
    /// imported: only what they tell is written.
    #[arg(long, value_name = "MONTH")]
    from_archive: Option<Month>,
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
    config: &Config,
    options: Options,
) -> anyhow::Result<ExitCode> {
    let rules = &config.rules;
    if let Some(month) = options.from_archive {
        return from_archive(store, config, month, options).await;
    }
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

/// Exit code 1: some could not be written.
async fn from_archive(
    store: &Store,
    config: &Config,
    month: Month,
    options: Options,
) -> anyhow::Result<ExitCode> {
    ensure!(
        !options.which.is_named(),
        "--from-archive reads a whole month: no filter restricts it"
    );
    let copy = ArchivedMonth::fetch(config, month).await?;
    if !(options.dry_run || confirm("Go on?", options.yes)?) {
        return Ok(ExitCode::SUCCESS);
    }
    let writes = !options.dry_run;
    let actor = actor();
    let entry = AuditEntry {
        new_values: Some(serde_json::json!({
            "archive": month.to_string(), "normalizer_version": NORMALIZER_VERSION,
        })),
        ..AuditEntry::new(AuditAction::Renormalize, &actor)
    };
    let log = if writes { Some(store.record(&entry).await?) } else { None };
    let renormalizer = Renormalizer { store, rules: &config.rules, writes, rate: options.rate };
    let counts = renormalizer.run_archive(|| open_lines(copy.path())).await?;
    if let Some(log) = log {
        store.record_more(log, counts.read_again).await?;
    }
    print_archived(&counts, options.json);
    Ok(if counts.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_archived(counts: &ArchivedCounts, json: bool) {
    let ArchivedCounts { lines, left, read_again, failed, taken_back } = counts;
    if json {
        let counts = serde_json::json!({
            "lines": lines, "left": left, "read_again": read_again, "failed": failed,
            "taken_back": taken_back,
        });
        json_line(&counts.to_string());
        return;
    }
    outln!("looked at {lines}, read again {read_again}, left {left}, failed {failed}");
    if *taken_back > 0 {
        outln!("{taken_back} messages lost something that is not told any more");
    }
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
    if tally.taken_back > 0 {
        outln!(
            "{:<32}{:>9}  not told any more, in part or whole: taken back",
            "messages",
            tally.taken_back
        );
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
        "without_body": tally.without_body, "dead_lettered": tally.dead_lettered, "taken_back": tally.taken_back,
        "failed": tally.failed, "failures": failures.collect::<Vec<_>>(),
    })
}
