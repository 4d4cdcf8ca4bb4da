//! `dead-letters jobs` and `dead-letters cancel`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::Context;
use crate::admin::JobReport;
use crate::cli::actor::actor;
use crate::cli::output::{json_line, limit, outln, tell_of_more};
use crate::cli::table::{Table, kept, number, or_dash, spare, text};
use crate::cli::time;

/// Options of `dead-letters jobs`.
#[derive(Args)]
pub(super) struct Options {
    /// At most so many.
    #[arg(long, default_value_t = 20, value_parser = limit())]
    limit: u64,
    /// Only numbers below this one, to go on.
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Options of `dead-letters cancel`.
#[derive(Args)]
pub(super) struct Cancel {
    /// Number of the job, as `jobs` shows it.
    id: i64,
}

pub(super) async fn run(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    let jobs = context.store.jobs(options.before, options.limit).await?;
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let mut outcomes = context.store.job_outcomes(&ids).await?;
    let reports = jobs.into_iter().map(|job| {
        let outcomes = outcomes.remove(&job.id).unwrap_or_default();
        JobReport::new(job, outcomes)
    });
    if options.json {
        for report in reports {
            json_line(&serde_json::to_string(&report)?);
        }
    } else {
        print_table(reports);
    }
    tell_of_more("--before", &ids, options.limit);
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn cancel(context: &Context<'_>, options: Cancel) -> anyhow::Result<ExitCode> {
    let job = context.store.cancel_job(options.id, &actor()).await?;
    let job = job.with_context(|| format!("no job {} is running", options.id))?;
    outln!("cancelled job {}: {} of {} were replayed", job.id, job.replayed, job.total);
    Ok(ExitCode::SUCCESS)
}

fn print_table(jobs: impl Iterator<Item = JobReport>) {
    let mut table = Table::new(&[
        number("id"),
        kept("state"),
        number("replayed"),
        number("of"),
        kept("started"),
        spare("ended"),
        spare("by"),
        spare("rate"),
        text("ends"),
        text("which"),
    ]);
    for job in jobs {
        let ends = job.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}"));
        table.row([
            job.id.to_string(),
            job.state.name().to_owned(),
            job.replayed.to_string(),
            job.total.to_string(),
            time::short(job.started_at),
            or_dash(job.ended_at.map(time::short)),
            job.requested_by.clone(),
            or_dash(job.rate),
            ends.collect::<Vec<_>>().join(", "),
            serde_json::json!(job.filter).to_string(),
        ]);
    }
    table.print_or_none("replay jobs");
}
