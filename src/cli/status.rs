//! `status`: the equation, and what waits in each lane.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::equation::Equation;
use crate::lifecycle::{count, open_queue, open_store};
use crate::queue::LaneDepth;

/// Options of `status`.
#[derive(Args)]
#[command(after_help = "Example:\n  waha-ingest status --json\n\nExit code 1: not balanced.")]
pub struct Options {
    /// For programs.
    #[arg(long)]
    json: bool,
    /// With a broker: the spool file of each `serve`; without it the one in the data folder.
    #[arg(long, value_name = "FILE")]
    spool: Vec<PathBuf>,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    equation: Equation,
    lanes: Vec<LaneReport>,
}

#[derive(Serialize)]
struct LaneReport {
    lane: &'static str,
    ready: u64,
    retrying: u64,
    /// Age of the oldest, by its arrival at the door.
    oldest_age_ms: Option<i64>,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let queue = open_queue(config, &clock, false)?;
    let store = open_store(config, &clock).await?;
    let equation = count(config, &clock, &store, &options.spool).await?;
    let now_ms = clock.now_ms();
    let lanes = queue.depth().await?.lanes.iter().map(|lane| report(lane, now_ms)).collect();
    let report = Report { equation, lanes };
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.equation.balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(lane: &LaneDepth, now_ms: i64) -> LaneReport {
    LaneReport {
        lane: lane.lane.name(),
        ready: lane.ready,
        retrying: lane.retrying,
        oldest_age_ms: lane.oldest_received_at_ms.map(|oldest| (now_ms - oldest).max(0)),
    }
}

fn print(report: &Report) {
    print_equation(&report.equation);
    println!("{:<10}{:>10}{:>10}{:>14}", "lane", "ready", "retrying", "oldest (s)");
    for lane in &report.lanes {
        let oldest = lane.oldest_age_ms.map_or("-".to_owned(), |age| (age / 1000).to_string());
        println!("{:<10}{:>10}{:>10}{:>14}", lane.lane, lane.ready, lane.retrying, oldest);
    }
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
