//! `status`: the equation, what waits in each lane, dead letters and sessions in trouble; once, or
//! again and again (`watch`, `view`).

mod report;
mod sessions;
mod view;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::table::{plain, print as print_table, table};
use super::time;
use crate::config::Config;
use crate::equation::Equation;
use crate::store::dead_letter::Group;

use report::{Report, Sight};

/// Options of `status`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest status --json\n  waha-ingest status --watch\n\nExit code 1: not balanced."
)]
pub struct Options {
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

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let sight = Sight::open(config, &options).await?;
    if let Some(seconds) = options.watch {
        return watch::watch(&sight, Duration::from_secs(seconds), options.json).await;
    }
    let report = sight.report().await?;
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.equation.balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report) {
    print_equation(&report.equation);
    println!("{:<10}{:>10}{:>10}{:>14}", "lane", "ready", "retrying", "oldest (s)");
    for lane in &report.lanes {
        let oldest = lane.oldest_age_ms.map_or("-".to_owned(), |age| (age / 1000).to_string());
        println!("{:<10}{:>10}{:>10}{:>14}", lane.lane, lane.ready, lane.retrying, oldest);
    }
    if let Some(spooled) = report.spooled {
        println!("{:<10}{spooled:>10}", "spool");
    }
    print_groups(&report.dead_letter_groups);
    for line in report.sessions.lines() {
        println!("{line}");
    }
}

fn print_groups(groups: &[Group]) {
    if groups.is_empty() {
        return;
    }
    println!();
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
    let Equation { accepted, applied, duplicate, ignored, dead_lettered, waiting, .. } = equation;
    let verdict = if equation.balanced { "balanced" } else { "NOT BALANCED" };
    println!(
        "accepted {accepted} = applied {applied} + duplicate {duplicate} + ignored {ignored} + \
         dead-lettered {dead_lettered} + waiting {waiting}: {verdict}"
    );
    if equation.uncertain > 0 {
        println!(
            "{} are uncertain: moving, in a worker's hand, or uncounted by a kill",
            equation.uncertain
        );
    }
}
