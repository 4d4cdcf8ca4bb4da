//! `reconcile`: compares a session with WAHA's own list of messages now, and takes over what is missing.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use serde_json::json;

use super::output::{errln, json_line, outln};
use super::time;
use crate::clock::{Clock, SystemClock, parse_time};
use crate::config::Config;
use crate::figures::grouped;
use crate::lifecycle::{open_existing_store, open_reconciler, stop_on_signals};
use crate::reconcile::{ReconcileProblem, ReconciliationCounts, newest_until};
use crate::store::Store;
use crate::store::operations::reconciliations::{
    ReconciliationKind, ReconciliationRequest, ReconciliationTarget, ReconciliationTask,
    ReconciliationWindow, SessionMark,
};

/// How long another worker's lease may last at most when this one comes.
const LEASE: Duration = Duration::from_secs(120);
/// How often it is looked whether a worker has left the session.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Options of `reconcile`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest reconcile --session sales --from 24h --dry-run\n  waha-ingest reconcile --session sales --from 2020-01-01\n\nAn interrupted one goes on where it was when the same is asked again. Exit codes: 0 all compared, 1 not."
)]
pub struct Options {
    /// WAHA's name of the session.
    #[arg(long)]
    session: String,
    /// Of this WAHA server; needed if several have a session of that name.
    #[arg(long)]
    source: Option<String>,
    /// Messages sent from this time on: `12h` or `7d` ago, `2026-11-20` (UTC), or `2026-11-20T08:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: DateTime<Utc>,
    /// Up to this time; without it up to a minute ago.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<DateTime<Utc>>,
    /// Count what is missing, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// For programs: one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Arc::new(open_existing_store(config, &clock).await?);
    let session = find(config, &store, &options).await?;
    let window = window(&options, clock.now())?;
    let reconciler = open_reconciler(config, Arc::clone(&store), Arc::clone(&clock))?;
    let stop = stop_on_signals()?;
    let (counts, problem) = if options.dry_run {
        let target = ReconciliationTarget::of(&session, window);
        let (counts, ended) = reconciler.attempt(&target, None, &stop).await;
        (counts, ended.err())
    } else {
        let task = take(&store, &session, window).await?;
        reconciler.reconcile(&task, &stop).await
    };
    tell(&options, counts, problem.as_ref());
    Ok(if problem.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn find(config: &Config, store: &Store, options: &Options) -> anyhow::Result<SessionMark> {
    let asked: Vec<String> = config
        .sources
        .iter()
        .filter(|it| options.source.as_ref().is_none_or(|name| *name == it.name))
        .filter(|it| it.waha.is_some())
        .map(|it| it.name.clone())
        .collect();
    let section = "no such source has a [sources.NAME.waha]: say where WAHA's API is";
    anyhow::ensure!(!asked.is_empty(), section);
    let sessions = store.session_marks(&asked).await?;
    let mut named = sessions.into_iter().filter(|it| it.name == options.session);
    let found = named.next().context("no session of that name has told anything yet")?;
    anyhow::ensure!(named.next().is_none(), "several sources have it: say which with --source");
    Ok(found)
}

fn window(options: &Options, now: DateTime<Utc>) -> anyhow::Result<ReconciliationWindow> {
    let newest = newest_until(now);
    let until = options.to.unwrap_or(newest).min(newest);
    anyhow::ensure!(options.from < until, "--from must be before --to, and over a minute ago");
    Ok(ReconciliationWindow { from: options.from, until })
}

/// Asks for it and takes it, as soon as no worker is at the session.
async fn take(
    store: &Store,
    session: &SessionMark,
    window: ReconciliationWindow,
) -> anyhow::Result<ReconciliationTask> {
    let kind = ReconciliationKind::Command;
    let session_id = session.id;
    // Not due: this process does it, and once it was interrupted nobody else goes on.
    let request = ReconciliationRequest { session_id, kind, window, mark: None, due_at: None };
    store.request_reconciliation(&request).await?;
    let mut is_told = false;
    loop {
        if let Some(task) = store.take_reconciliation_of(session_id, kind, LEASE).await? {
            return Ok(task);
        }
        if !std::mem::replace(&mut is_told, true) {
            errln!("a worker compares this session just now: waiting for it");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn tell(options: &Options, counts: ReconciliationCounts, problem: Option<&ReconcileProblem>) {
    let ReconciliationCounts { requests, listed, missing, raised, unreadable, refused } = counts;
    if options.json {
        json_line(&json!({
            "done": problem.is_none(), "reason": problem.map(ReconcileProblem::reason),
            "requests": requests, "listed": listed, "missing": missing, "raised": raised,
            "unreadable": unreadable, "refused": refused, "dry_run": options.dry_run,
        }));
        return;
    }
    let (verb, missing) = (if options.dry_run { "are" } else { "were" }, grouped(missing));
    outln!(
        "{} messages in WAHA's list ({} requests), of which {missing} {verb} missing here; \
         {} own ones got further than was known",
        grouped(listed),
        grouped(requests),
        grouped(raised)
    );
    if unreadable + refused > 0 {
        outln!("{unreadable} can't be read by this release, {refused} were refused by the tables");
    }
    if let Some(problem) = problem {
        errln!("not all was compared: {problem}");
    } else {
        let until = options.to.map_or("a minute ago".to_owned(), time::short);
        errln!("compared from {} to {until}", time::short(options.from));
    }
}
