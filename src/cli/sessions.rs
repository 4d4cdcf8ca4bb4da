//! `sessions refresh`: asks WAHA now which sessions it has, and for each of them what it knows of its people.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::output::{errln, json_line};
use super::table::{Table, kept, number, text};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::directory;
use crate::lifecycle::{open_existing_store, open_reconciler, stop_on_signals};
use crate::reconcile::{PeopleCounts, ReconcileProblem, Reconciler, people_window};
use crate::store::Store;
use crate::store::apply::listed::ListedWrite;
use crate::store::operations::reconciliations::{
    ReconciliationKind, ReconciliationRequest, ReconciliationTarget, ReconciliationTask,
    SessionMark,
};
use crate::waha_api::WahaApi;

/// How long another worker's lease may last at most when this one comes.
const LEASE: Duration = Duration::from_secs(120);
/// How often it is looked whether a worker has left the session.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The only state in which an engine knows anything.
const WORKING: &str = "WORKING";

/// Options of `sessions`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  waha-ingest sessions refresh --dry-run\n  waha-ingest sessions refresh --session sales\n\nWorkers do the same once a day ([people]). What webhooks told is believed more. An interrupted one goes on where it was when the same is asked again on the same day. Exit codes: 0 all asked, 1 not."
)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Ask WAHA for its sessions and their people: account, engine, configuration, LIDs, names, groups and members.
    Refresh(Refresh),
}

/// Options of `sessions refresh`.
#[derive(Args)]
struct Refresh {
    /// Only of this WAHA server.
    #[arg(long)]
    source: Option<String>,
    /// Only this session; may be given several times. Without it all that WAHA says are working.
    #[arg(long)]
    session: Vec<String>,
    /// Count what would change, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// For programs: one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// What a session came to.
struct Refreshed {
    source: String,
    session: String,
    counts: PeopleCounts,
    problem: Option<ReconcileProblem>,
}

/// What is worked with.
struct Refresher<'a> {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    reconciler: Arc<Reconciler>,
    stop: CancellationToken,
    options: &'a Refresh,
}

/// Runs it.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let Action::Refresh(options) = options.action;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = open_existing_store(config, &clock).await?;
    let reconciler = open_reconciler(config, Arc::clone(&store), Arc::clone(&clock))?;
    let stop = stop_on_signals()?;
    let it = Refresher { store, clock, reconciler, stop, options: &options };
    let sources = it.ask_sources(config).await?;
    let mut done = Vec::new();
    for session in it.sessions(&sources).await? {
        if it.stop.is_cancelled() {
            break;
        }
        done.push(it.refresh(&session).await?);
    }
    tell(&options, &done);
    let is_whole = !it.stop.is_cancelled() && done.iter().all(|it| it.problem.is_none());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Refresher<'_> {
    /// Asks each WAHA that is meant for its sessions; returns which those are.
    async fn ask_sources(&self, config: &Config) -> anyhow::Result<Vec<String>> {
        let is_meant = |name: &str| self.options.source.as_deref().is_none_or(|it| it == name);
        let apis = config.sources.iter().filter(|it| is_meant(&it.name));
        let apis: Vec<_> = apis.filter_map(|source| source.waha.clone()).collect();
        let section = "no such source has a [sources.NAME.waha]: say where WAHA's API is";
        anyhow::ensure!(!apis.is_empty(), section);
        let write = if self.options.dry_run { ListedWrite::Dry } else { ListedWrite::Free };
        let mut sources = Vec::new();
        for options in apis {
            let source = options.source.clone();
            let api = WahaApi::new(options).with_context(|| format!("sources.{source}.waha"))?;
            let found = directory::refresh(&self.store, &api, &*self.clock, write).await;
            let found = found.with_context(|| format!("source {source}"))?;
            errln!(
                "source {source}: {} sessions run there; {} changed here, {} are configured otherwise than was known",
                found.running,
                found.changed,
                found.configured
            );
            sources.push(source);
        }
        Ok(sources)
    }

    async fn sessions(&self, sources: &[String]) -> anyhow::Result<Vec<SessionMark>> {
        let named = &self.options.session;
        let mut marks = self.store.session_marks(sources).await?;
        for name in named {
            let is_there = marks.iter().any(|mark| mark.name == *name);
            anyhow::ensure!(is_there, "no session {name:?} runs there, or has told anything yet");
        }
        marks.retain(|mark| {
            if named.is_empty() {
                mark.status.as_deref() == Some(WORKING)
            } else {
                named.contains(&mark.name)
            }
        });
        Ok(marks)
    }

    async fn refresh(&self, session: &SessionMark) -> anyhow::Result<Refreshed> {
        let window = people_window(self.clock.now());
        let target = ReconciliationTarget::of(session, window);
        let (counts, problem) = if self.options.dry_run {
            let (counts, ended) =
                self.reconciler.refresh_people(&target, None, 0, &self.stop).await;
            (counts, ended.err())
        } else {
            self.refresh_whole(session).await?
        };
        let (source, session) = (session.source.clone(), session.name.clone());
        Ok(Refreshed { source, session, counts, problem })
    }

    /// Turn after turn, as long as others are due.
    async fn refresh_whole(
        &self,
        session: &SessionMark,
    ) -> anyhow::Result<(PeopleCounts, Option<ReconcileProblem>)> {
        let (session_id, kind) = (session.id, ReconciliationKind::People);
        let window = people_window(self.clock.now());
        // Not due: this process does it; once it was interrupted, whoever plans comes back to it.
        let request = ReconciliationRequest { session_id, kind, window, mark: None, due_at: None };
        self.store.request_reconciliation(&request).await?;
        let mut all = PeopleCounts::default();
        loop {
            let task = self.take(session_id).await?;
            let (counts, problem) = self.reconciler.refresh(&task, &self.stop).await;
            all.add(counts);
            if !matches!(problem, Some(ReconcileProblem::TurnOver)) {
                return Ok((all, problem));
            }
        }
    }

    async fn take(&self, session_id: i64) -> anyhow::Result<ReconciliationTask> {
        let mut is_told = false;
        loop {
            let kind = ReconciliationKind::People;
            if let Some(task) = self.store.take_reconciliation_of(session_id, kind, LEASE).await? {
                return Ok(task);
            }
            if !std::mem::replace(&mut is_told, true) {
                errln!("a worker asks about this session just now: waiting for it");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn tell(options: &Refresh, done: &[Refreshed]) {
    if options.json {
        for Refreshed { source, session, counts, problem } in done {
            let PeopleCounts { requests, listed, changed, failed, unsupported } = counts;
            json_line(&json!({
                "source": source, "session": session, "done": problem.is_none(),
                "reason": problem.as_ref().map(ReconcileProblem::reason), "requests": requests,
                "listed": listed, "changed": changed, "failed": failed,
                "unsupported": unsupported, "dry_run": options.dry_run,
            }));
        }
        return;
    }
    let changed = if options.dry_run { "would change" } else { "changed" };
    let mut table = Table::new(&[
        kept("source"),
        kept("session"),
        number("requests"),
        number("listed"),
        number(changed),
        text("not told, or left out"),
    ]);
    for it in done {
        table.row([
            it.source.clone(),
            it.session.clone(),
            it.counts.requests.to_string(),
            it.counts.listed.to_string(),
            it.counts.changed.to_string(),
            it.left_out(),
        ]);
    }
    table.print_or_none("working sessions");
}

impl Refreshed {
    fn left_out(&self) -> String {
        let PeopleCounts { failed, unsupported, .. } = &self.counts;
        let mut left = Vec::new();
        left.extend(self.problem.as_ref().map(ToString::to_string));
        if !unsupported.is_empty() {
            left.push(format!("unknown to its engine or release: {}", unsupported.join(", ")));
        }
        if *failed > 0 {
            left.push(format!("{failed} groups or people can't be read"));
        }
        if left.is_empty() { "-".to_owned() } else { left.join("; ") }
    }
}
