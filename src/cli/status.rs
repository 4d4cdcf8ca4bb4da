//! `status`: the equation, what waits in each lane, dead letters and sessions in trouble; once, or
//! again and again (`watch`, `view`).

mod broker;
mod report;
mod sessions;
mod settle;
mod view;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::output::{json_line, outln, plain};
use crate::cli::table::{print as print_table, table};
use crate::cli::time;
use crate::config::Config;
use crate::equation::Equation;
use crate::store::operations::clocks::SourceClock;
use crate::store::operations::dead_letter::DeadLetterGroup;

use report::{Report, Sight};

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
    /// Show it again and again, each 2 seconds or so many, until Ctrl-C.
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
    let sight = Sight::open(config, &options.spool).await?;
    if let Some(seconds) = options.watch {
        return watch::watch(&sight, Duration::from_secs(seconds), options.json).await;
    }
    let report = sight.report().await?;
    if options.json {
        json_line(&serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(match report.equation.balanced {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => ExitCode::from(UNKNOWN),
    })
}

fn print(report: &Report) {
    print_equation(&report.equation);
    outln!("{:<10}{:>10}{:>10}{:>14}", "lane", "ready", "retrying", "oldest (s)");
    for lane in &report.lanes {
        let oldest = lane.oldest_age_ms.map_or("-".to_owned(), |age| (age / 1000).to_string());
        outln!("{:<10}{:>10}{:>10}{:>14}", lane.lane, lane.ready, lane.retrying, oldest);
    }
    if let Some(spooled) = report.spooled {
        outln!("{:<10}{spooled:>10}", "spool");
    }
    print_groups(&report.dead_letter_groups);
    for process in &report.processes {
        outln!("{}", plain(&process.line()));
    }
    let broker = report.broker.iter().flat_map(broker::BrokerReport::lines);
    let lines = report.sessions.lines().into_iter().chain(clock_lines(&report.wrong_clocks));
    for line in lines.chain(broker) {
        outln!("{line}");
    }
}

/// A line for each source whose clock disagrees with ours.
fn clock_lines(clocks: &[SourceClock]) -> impl Iterator<Item = String> {
    clocks.iter().map(|SourceClock { source, ahead_ms }| {
        let side = if *ahead_ms > 0 { "ahead of" } else { "behind" };
        let seconds = ahead_ms.unsigned_abs() / 1000;
        plain(&format!("clock: {source} is {seconds} s {side} ours; set it right"))
    })
}

fn print_groups(groups: &[DeadLetterGroup]) {
    if groups.is_empty() {
        return;
    }
    outln!();
    let mut table = table(&["dead letters", "group", "reason", "event types", "last failure"]);
    for group in groups {
        let row = [
            group.count.to_string(),
            group.group.clone(),
            group.reason.clone(),
            group.event_types.join(", "),
            time::short(group.last_failed_at),
        ];
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    print_table(table);
}

/// The equation for people.
pub fn print_equation(equation: &Equation) {
    let Equation { accepted, applied, duplicate, ignored, dead_lettered, waiting, lost, .. } =
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
fn verdict(equation: &Equation) -> String {
    let Equation { missing, excess, uncertain, .. } = equation;
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
