//! `dead-letters jobs` and `dead-letters cancel`.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::Context;
use crate::cli::actor::actor;
use crate::cli::output::{json_line, outln};
use crate::cli::table::{Table, kept, number, spare, text};
use crate::cli::time;
use crate::store::operations::job::{JobOutcomes, JobState, ReplayJob};

/// Options of `dead-letters jobs`.
#[derive(Args)]
pub(super) struct Options {
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    limit: u64,
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
    let jobs = context.store.jobs(None, options.limit).await?;
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let mut outcomes = context.store.job_outcomes(&ids).await?;
    let now = context.clock.now();
    let rows = jobs
        .iter()
        .map(|job| (job, JobState::of(job, now), outcomes.remove(&job.id).unwrap_or_default()));
    if options.json {
        rows.for_each(|(job, state, outcomes)| json_line(&to_json(job, state, &outcomes)));
    } else {
        print_table(rows);
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn cancel(context: &Context<'_>, options: Cancel) -> anyhow::Result<ExitCode> {
    let job = context.store.cancel_job(options.id, &actor()).await?;
    let job = job.with_context(|| format!("no job {} is running", options.id))?;
    outln!("cancelled job {}: {} of {} were replayed", job.id, job.replayed, job.total);
    Ok(ExitCode::SUCCESS)
}

fn print_table<'a>(jobs: impl Iterator<Item = (&'a ReplayJob, JobState, JobOutcomes)>) {
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
    for (job, state, outcomes) in jobs {
        let ends = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}"));
        table.row([
            job.id.to_string(),
            state.name().to_owned(),
            job.replayed.to_string(),
            job.total.to_string(),
            time::short(job.started_at),
            job.ended_at.map_or_else(|| "-".to_owned(), time::short),
            job.requested_by.clone(),
            job.rate.map_or_else(|| "-".to_owned(), |rate| rate.to_string()),
            ends.collect::<Vec<_>>().join(", "),
            job.filter.clone(),
        ]);
    }
    table.print_or_none("replay jobs");
}

fn to_json(job: &ReplayJob, state: JobState, outcomes: &JobOutcomes) -> serde_json::Value {
    serde_json::json!({
        "id": job.id, "state": state.name(), "replayed": job.replayed, "total": job.total,
        "filter": serde_json::from_str::<serde_json::Value>(&job.filter).ok(), "rate": job.rate,
        "requested_by": job.requested_by, "requested_from": job.requested_from,
        "started_at": job.started_at, "ended_at": job.ended_at, "outcomes": outcomes,
    })
}
