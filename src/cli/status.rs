//! `status`: the equation, what waits in each lane, dead letters and sessions in trouble; once, or
//! again and again (`watch`, `view`).

mod broker;
mod ending;
mod process;
mod report;
mod screen;
mod section;
mod sessions;
mod settle;
mod sources;
mod tables;
mod view;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::accounting::Accounting;
use crate::admin::StatusReport;
use crate::cli::output::{errln, json_line, outln, plain};
use crate::cli::table::{Table, kept, number, text};
use crate::cli::time;
use crate::config::Config;
use crate::lifecycle::NothingThere;
use crate::store::operations::clocks::SourceClock;
use crate::store::operations::dead_letter::DeadLetterGroup;

use sources::StatusSources;

/// Options of `status`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest status --json\n  waha-ingest status --watch\n\nExit codes: 0 balanced, 1 not balanced, 3 it can't be known.",
    args_conflicts_with_subcommands = true
)]
pub struct Options {
    #[command(subcommand)]
    command: Option<StatusCommand>,
    /// For programs.
    #[arg(long)]
    json: bool,
    /// With a broker: the spool file of each `serve`; without it the one in the data folder.
    #[arg(long, value_name = "FILE")]
    spool: Vec<PathBuf>,
    /// Show it again and again, each 2 seconds or so many, until `q` or Ctrl-C.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

#[derive(Subcommand)]
enum StatusCommand {
    /// Decide what can't be known: what is missing is lost, what was not counted was accepted.
    Settle(settle::SettleOptions),
}

/// Exit code: it can't be known whether every webhook is accounted for.
const UNKNOWN: u8 = 3;

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    if let Some(StatusCommand::Settle(options)) = options.command {
        return settle::run(config, options).await;
    }
    let sight = match StatusSources::open(config, &options.spool).await {
        Err(error) if error.is::<NothingThere>() => {
            errln!("{error}");
            return Ok(ExitCode::from(UNKNOWN));
        }
        opened => opened?,
    };
    if let Some(seconds) = options.watch {
        return watch::watch(&sight, Duration::from_secs(seconds), options.json).await;
    }
    let report = sight.report().await?;
    if options.json {
        json_line(&serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(match report.equation.as_ref().and_then(|equation| equation.balanced) {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => ExitCode::from(UNKNOWN),
    })
}

fn print(report: &StatusReport) {
    match &report.equation {
        Some(equation) => print_equation(equation),
        None => outln!("{}", report::uncounted_line(&report.counts)),
    }
    for line in report::away_lines(report) {
        outln!("{line}");
    }
    print_lanes(report);
    print_groups(report.dead_letter_groups.as_deref().unwrap_or_default());
    if let Some(line) = report::worker_line(report) {
        outln!("{line}");
    }
    for process in &report.processes {
        outln!("{}", plain(&process.line()));
    }
    let broker = report.broker.iter().flat_map(broker::lines);
    let process = report.process.iter().flat_map(process::lines);
    let clocks = clock_lines(&report.wrong_clocks);
    let replica = report.read_replica.as_ref().map(report::replica_line);
    let late = report.late_files.as_ref().map(report::late_files_line);
    let clocks = clocks.chain(late).chain(replica);
    let lines = sessions::lines(report).into_iter().chain(clocks).chain(broker).chain(process);
    for line in lines.chain([report::place_line(&report.place)]) {
        outln!("{line}");
    }
}

fn print_lanes(report: &StatusReport) {
    let mut table =
        Table::new(&[kept("lane"), number("ready"), number("retrying"), number("oldest (s)")]);
    for lane in report.lanes.iter().flatten() {
        let oldest = lane.oldest_age_ms.map_or("-".to_owned(), |age| (age / 1000).to_string());
        table.row([
            lane.lane.to_owned(),
            lane.ready.to_string(),
            lane.retrying.to_string(),
            oldest,
        ]);
    }
    if let Some(spooled) = report.spooled {
        table.row(["spool".to_owned(), spooled.to_string(), String::new(), String::new()]);
    }
    if report.lanes.is_some() || report.spooled.is_some() {
        table.print();
    }
}

/// A line for each source whose clock disagrees with ours.
fn clock_lines(clocks: &[SourceClock]) -> impl Iterator<Item = String> {
    clocks.iter().map(|SourceClock { source, ahead_ms }| {
        let side = if *ahead_ms > 0 { "ahead of" } else { "behind" };
        let span = time::span(ahead_ms.saturating_abs());
        plain(&format!("clock: that of source {source} is {span} {side} ours: set it right there"))
    })
}

fn print_groups(groups: &[DeadLetterGroup]) {
    if groups.is_empty() {
        return;
    }
    outln!();
    let mut table = Table::new(&[
        number("dead letters"),
        kept("group"),
        kept("reason"),
        kept("last failure"),
        text("event types"),
    ]);
    for group in groups {
        table.row([
            group.count.to_string(),
            group.group.clone(),
            group.reason.clone(),
            time::short(group.last_failed_at),
            group.event_types.join(", "),
        ]);
    }
    table.print();
}

/// The equation for people.
pub fn print_equation(equation: &Accounting) {
    let Accounting { accepted, applied, duplicate, ignored, dead_lettered, waiting, lost, .. } =
        equation;
    let lost = if *lost > 0 { format!(" + lost {lost}") } else { String::new() };
    outln!(
        "accepted {accepted} = applied {applied} + duplicate {duplicate} + ignored {ignored} + \
         dead-lettered {dead_lettered} + waiting {waiting}{lost}: {}",
        verdict(equation)
    );
    if equation.damaged > 0 {
        outln!(
            "{} were taken out of the queue file or a spool by a damaged disk: set aside beside it, or \
             missing (their part of the balance)",
            equation.damaged
        );
    }
    if let Some(reason) = &equation.reason {
        outln!("not known: {reason}");
    }
}

/// Whether it is balanced, in few words.
fn verdict(equation: &Accounting) -> String {
    let Accounting { missing, excess, uncertain, .. } = equation;
    match equation.balanced {
        Some(true) if equation.damaged > 0 => {
            format!("balanced, {} taken by damage", equation.damaged)
        }
        Some(true) => "balanced".to_owned(),
        Some(false) if *excess > 0 => format!("NOT BALANCED, {excess} too many"),
        Some(false) => format!("NOT BALANCED, {missing} missing"),
        None => format!("not known, {uncertain} uncertain"),
    }
}
