//! `dead-letters replay`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Context;
use super::outcome;
use super::outcome::ReplayOutcome;
use super::scope::Scope;
use crate::cli::actor::actor;
use crate::cli::output::{errln, json_line, outln};
use crate::cli::progress_bar;
use crate::lifecycle::{open_queue, stop_on_signals};
use crate::operations::{DryRun, edit, judge_edit};
use crate::replay::{Ended, Progress, run as run_job, start};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::DeadLetter;
use crate::store::operations::job::{JobState, ReplayJob, ReplayRequest};

/// Options of `dead-letters replay`.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    scope: Scope,
    /// Most dead letters per second; without it as many as the queue bears.
    #[arg(long)]
    rate: Option<f64>,
    /// Replace the body by this file first; only with a single --id. The body before is kept.
    #[arg(long, value_name = "FILE")]
    edit: Option<PathBuf>,
    /// End once all are published, and not when it is known what became of them.
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    /// Why, for the audit log.
    #[arg(long)]
    note: Option<String>,
}

/// A dead letter and the body that is to replace its own.
struct Edited {
    letter: DeadLetter,
    body: Vec<u8>,
    reading: DryRun,
}

/// Runs it. Exit code 1: it was cancelled or stopped before its end.
pub(super) async fn run(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    ensure!(options.rate.is_none_or(|rate| rate > 0.0), "--rate must be above 0");
    let edited = match &options.edit {
        Some(file) => Some(read_edited(context, &options.scope, file).await?),
        None => None,
    };
    if let Some(edited) = edited.as_ref().filter(|_| options.scope.dry_run) {
        return told(edited, options.scope.json);
    }
    let states = [DeadLetterState::Pending];
    let Some(agreed) = options.scope.ask(context, "replayed", &states).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let actor = actor();
    let note = options.note.as_deref();
    if let Some(Edited { letter, body, .. }) = edited {
        let rules = &context.config.rules;
        let reading = edit(&context.store, rules, &letter, body, &actor, note).await?;
        errln!("the body is replaced; the new one {reading}");
    }
    let owner = format!("{:016x}", crate::webhook::Receipt::new().0);
    let (filter, rate) = (&agreed.filter, options.rate);
    if agreed.extent.count == 0 && context.store.job_for(filter).await?.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let wish = ReplayRequest { filter, rate, actor: &actor, note, owner: &owner };
    let job = start(&context.store, &wish).await?;
    let stop = stop_on_signals()?;
    let ended = replay(context, job, &stop).await?;
    let outcome = match &ended {
        Ended::Done(job) if !options.no_wait => Some(outcome::wait(context, job.id, &stop).await?),
        _ => None,
    };
    print(&ended, outcome.as_ref(), agreed.json)
}

/// Looks at the new body before anything is asked or done.
async fn read_edited(context: &Context<'_>, scope: &Scope, file: &Path) -> anyhow::Result<Edited> {
    let id =
        scope.single_id().context("--edit needs a single --id and nothing else that chooses")?;
    let body = std::fs::read(file).with_context(|| file.display().to_string())?;
    let letter = context.store.whole_letters(&[id]).await?.pop();
    let letter = letter.with_context(|| format!("there is no dead letter {id}"))?;
    let reading = judge_edit(&letter, &body, &context.config.rules);
    let reading = reading.with_context(|| file.display().to_string())?;
    Ok(Edited { letter, body, reading })
}

fn told(edited: &Edited, json: bool) -> anyhow::Result<ExitCode> {
    let Edited { letter, reading, .. } = edited;
    if json {
        json_line(&serde_json::to_string(reading)?);
    } else {
        let id = letter.row.id;
        outln!("dead letter {id} would get the new body and be replayed; the new body {reading}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay(
    context: &Context<'_>,
    job: ReplayJob,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    let queue = open_queue(context.config, &context.clock)?;
    let bar = progress_bar(job.total.unsigned_abs());
    let watch = |progress: Progress<'_>| match progress {
        Progress::At(job) => {
            bar.set_message("");
            bar.set_position(job.replayed.unsigned_abs());
        }
        Progress::Waits => bar.set_message("waits: the queue has too much to do"),
    };
    let ended = run_job(&context.store, &*queue, job, stop, watch).await;
    bar.finish_and_clear();
    Ok(ended?)
}

fn print(ended: &Ended, outcome: Option<&ReplayOutcome>, json: bool) -> anyhow::Result<ExitCode> {
    let (job, state, code) = match ended {
        Ended::Done(job) => (job, JobState::Done, ExitCode::SUCCESS),
        Ended::Cancelled(job) => (job, JobState::Cancelled, ExitCode::FAILURE),
        Ended::Stopped(job) => (job, JobState::Interrupted, ExitCode::FAILURE),
    };
    let ReplayJob { id, replayed, total, .. } = job;
    if json {
        let report = ReplayReport { job: *id, state, replayed: *replayed, total: *total, outcome };
        json_line(&serde_json::to_string(&report)?);
    } else if let Some(outcome) = outcome {
        outln!("{replayed} replayed: {}", outcome.line());
    } else {
        outln!("replayed {replayed} of {total}, job {id} is {}", state.name());
    }
    if matches!(ended, Ended::Stopped(_)) {
        errln!("the same command goes on with it");
    }
    Ok(code)
}

/// For programs.
#[derive(Serialize)]
struct ReplayReport<'a> {
    job: i64,
    state: JobState,
    replayed: i64,
    total: i64,
    /// None if it was not waited for.
    #[serde(flatten)]
    outcome: Option<&'a ReplayOutcome>,
}
