//! `dead-letters replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::Context;
use super::scope::Scope;
use crate::cli::actor::actor;
use crate::cli::output::{errln, json_line, outln};
use crate::cli::progress_bar;
use crate::lifecycle::{open_queue, stop_on_signals};
use crate::operations::edit;
use crate::replay::{Ended, Progress, run as run_job, start};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::Actor;
use crate::store::operations::dead_letter::DeadLetterFilter;
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
    /// Why, for the audit log.
    #[arg(long)]
    note: Option<String>,
}

/// Runs it. Exit code 1: it was cancelled or stopped before its end.
pub(super) async fn run(context: &Context<'_>, options: Options) -> anyhow::Result<ExitCode> {
    ensure!(options.rate.is_none_or(|rate| rate > 0.0), "--rate must be above 0");
    let states = [DeadLetterState::Pending];
    let Some(agreed) = options.scope.ask(context, "replayed", &states).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let actor = actor();
    let note = options.note.as_deref();
    if let Some(file) = options.edit {
        let body = std::fs::read(&file).with_context(|| file.display().to_string())?;
        replace_body(context, &agreed.filter, body, &actor, note).await?;
    }
    let owner = format!("{:016x}", crate::webhook::Receipt::new().0);
    let (filter, rate) = (&agreed.filter, options.rate);
    if agreed.extent.count == 0 && context.store.job_for(filter).await?.is_none() {
        return Ok(ExitCode::SUCCESS);
    }
    let wish = ReplayRequest { filter, rate, actor: &actor, note, owner: &owner };
    let job = start(&context.store, &wish).await?;
    let ended = replay(context, job).await?;
    Ok(print(&ended, agreed.json))
}

async fn replace_body(
    context: &Context<'_>,
    filter: &DeadLetterFilter,
    body: Vec<u8>,
    actor: &Actor,
    note: Option<&str>,
) -> anyhow::Result<()> {
    ensure!(filter.ids.len() == 1, "--edit needs a single --id");
    let letters = context.store.whole_letters(&filter.ids).await?;
    let letter = letters.first().context("there is no such dead letter")?;
    let rules = &context.config.rules;
    let reading = edit(&context.store, rules, letter, body, actor, note).await?;
    errln!("the body is replaced; the new one {reading}");
    Ok(())
}

async fn replay(context: &Context<'_>, job: ReplayJob) -> anyhow::Result<Ended> {
    let stop = stop_on_signals()?;
    let queue = open_queue(context.config, &context.clock)?;
    let bar = progress_bar(job.total.unsigned_abs());
    let watch = |progress: Progress<'_>| match progress {
        Progress::At(job) => {
            bar.set_message("");
            bar.set_position(job.replayed.unsigned_abs());
        }
        Progress::Waits => bar.set_message("waits: the queue has too much to do"),
    };
    let ended = run_job(&context.store, &*queue, job, &stop, watch).await;
    bar.finish_and_clear();
    Ok(ended?)
}

fn print(ended: &Ended, json: bool) -> ExitCode {
    let (job, state, code) = match ended {
        Ended::Done(job) => (job, JobState::Done, ExitCode::SUCCESS),
        Ended::Cancelled(job) => (job, JobState::Cancelled, ExitCode::FAILURE),
        Ended::Stopped(job) => (job, JobState::Interrupted, ExitCode::FAILURE),
    };
    let ReplayJob { id, replayed, total, .. } = job;
    if json {
        let report = serde_json::json!({
            "job": id, "state": state, "replayed": replayed, "total": total,
        });
        json_line(&report);
    } else {
        outln!("replayed {replayed} of {total}, job {id} is {}", state.name());
    }
    if matches!(ended, Ended::Stopped(_)) {
        errln!("the same command goes on with it");
    }
    code
}
