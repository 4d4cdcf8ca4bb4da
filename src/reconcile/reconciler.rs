//! What is compared next: looks every minute what happened, and does what is due, one session at a time each.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::people::{PeopleCounts, PeopleRefresh};
use super::plan::{self, Circumstances, Planned};
use super::problem::ReconcileProblem;
use super::run::{ReconcileContext, Reconciliation, ReconciliationCounts};
use crate::clock::Clock;
use crate::metrics::reconcile::{ReconcileMetrics, ReconcileOutcome};
use crate::normalize::Rules;
use crate::outage::Outage;
use crate::quiet_sessions::Silence;
use crate::store::operations::reconciliations::{
    ReconciliationEnd, ReconciliationFence, ReconciliationKind, ReconciliationTarget,
    ReconciliationTask,
};
use crate::store::{Store, StoreError};
use crate::waha_api::{WahaApi, WahaError};

/// How often it is looked at what happened and what is due.
const POLL: Duration = Duration::from_secs(60);
/// Messages that are asked for at a time: some megabytes with what the engines keep of each.
const PAGE_ROWS: usize = 500;
/// How long a worker that died keeps a session.
const LEASE: Duration = Duration::from_secs(120);
/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(30);

/// What bounds reconciling.
#[derive(Clone, Copy, Debug)]
pub struct ReconcileLimits {
    /// Sessions at a time.
    pub concurrency: usize,
    /// How often it is looked at what happened.
    pub poll: Duration,
    /// Messages that are asked for at a time.
    pub page_rows: usize,
    /// What is done without being asked for.
    pub planned: Planned,
}

impl ReconcileLimits {
    /// With the usual pace, for messages.
    pub fn new(concurrency: usize) -> Self {
        let planned = Planned { messages: true, people: false };
        Self { concurrency, poll: POLL, page_rows: PAGE_ROWS, planned }
    }
}

/// Compares sessions with what their WAHAs list.
pub struct Reconciler {
    apis: HashMap<String, WahaApi>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    rules: Rules,
    limits: ReconcileLimits,
    silence: Silence,
    metrics: ReconcileMetrics,
    /// What sessions' engines do not know and was told: source, session, what.
    untold: Mutex<HashSet<(String, String, &'static str)>>,
}

impl Reconciler {
    /// One that asks these WAHAs. No pause up to `silent_after` is silence.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        apis: Vec<WahaApi>,
        rules: Rules,
        limits: ReconcileLimits,
        silent_after: Duration,
        metrics: ReconcileMetrics,
    ) -> Self {
        let apis = apis.into_iter().map(|api| (api.source().to_owned(), api)).collect();
        let silence = Silence::new(Arc::clone(&store), silent_after);
        let untold = Mutex::default();
        Self { apis, store, clock, rules, limits, silence, metrics, untold }
    }

    /// Reconciles until `stop`; what is on its way then is given back.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut outage = Outage::new();
        let mut plans = tokio::time::interval(self.limits.poll);
        while !stop.is_cancelled() {
            let is_time = plans.tick().now_or_never().is_some();
            let looked = async {
                if is_time {
                    self.plan().await?;
                }
                self.fill(&mut running, &stop).await
            };
            if let Err(error) = looked.await {
                // The worker reports an outage.
                tracing::debug!(error = error.detail(), "can't look for what is to be compared");
                stop.run_until_cancelled(tokio::time::sleep(outage.next_wait())).await;
                continue;
            }
            outage = Outage::new();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(self.limits.poll) => {}
            }
        }
        running.join_all().await;
    }

    /// Asks for what has become due.
    pub async fn plan(&self) -> Result<(), StoreError> {
        let sources: Vec<String> = self.apis.keys().cloned().collect();
        let mut started = HashMap::new();
        for (source, api) in &self.apis {
            if let Ok(started_ms) = api.started_at_ms().await {
                started.insert(source.clone(), started_ms);
            }
        }
        let now = self.clock.now();
        let silent = self.silence.find(now).await?;
        let silent: HashMap<i64, DateTime<Utc>> =
            silent.into_iter().map(|it| (it.id, it.last_webhook_at)).collect();
        for session in self.store.session_marks(&sources).await? {
            let circumstances = Circumstances {
                started_ms: started.get(&session.source).copied(),
                silent_since: silent.get(&session.id).copied(),
            };
            for request in plan::due(&session, circumstances, self.limits.planned, now) {
                self.store.request_reconciliation(&request).await?;
            }
        }
        Ok(())
    }

    /// Begins with what is due, as many as there is room for.
    async fn fill(
        self: &Arc<Self>,
        running: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        while running.len() < self.limits.concurrency {
            let Some(task) = self.store.take_reconciliation(&self.resting(), LEASE).await? else {
                break;
            };
            let (this, stop) = (Arc::clone(self), stop.clone());
            running.spawn(async move {
                this.reconcile(&task, &stop).await;
            });
        }
        Ok(())
    }

    /// Does all that is due now, one after the other: for tests and commands.
    pub async fn run_due(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut tried = HashSet::new();
        while let Some(task) = self.store.take_reconciliation(&self.resting(), LEASE).await? {
            let is_new = tried.insert((task.row.id, task.row.due_at));
            self.reconcile(&task, stop).await;
            if !is_new {
                break;
            }
        }
        Ok(())
    }

    /// Sources that are not asked at the moment.
    fn resting(&self) -> Vec<String> {
        let resting = self.apis.iter().filter(|(_, api)| api.rest().is_some());
        resting.map(|(source, _)| source.clone()).collect()
    }

    /// Does one, and writes how it ended. Returns what was counted and why it did not go on.
    pub async fn reconcile(
        &self,
        task: &ReconciliationTask,
        stop: &CancellationToken,
    ) -> (ReconciliationCounts, Option<ReconcileProblem>) {
        if task.kind == ReconciliationKind::People {
            let (counts, problem) = self.refresh(task, stop).await;
            return (ReconciliationCounts::from(&counts), problem);
        }
        let (counts, ended) = tokio::select! {
            ended = self.attempt(&task.target, Some(task.fence()), stop) => ended,
            // Another worker has it.
            () = self.keep(task) => (ReconciliationCounts::default(), Err(ReconcileProblem::Lost)),
        };
        let problem = self.end(task, counts, ended).await;
        (counts, problem)
    }

    /// The same for [`ReconciliationKind::People`].
    pub async fn refresh(
        &self,
        task: &ReconciliationTask,
        stop: &CancellationToken,
    ) -> (PeopleCounts, Option<ReconcileProblem>) {
        let mark = task.row.mark.unwrap_or_default();
        let (counts, ended) = tokio::select! {
            ended = self.refresh_people(&task.target, Some(task.fence()), mark, stop) => ended,
            // Another worker has it.
            () = self.keep(task) => (PeopleCounts::default(), Err(ReconcileProblem::Lost)),
        };
        let problem = self.end(task, ReconciliationCounts::from(&counts), ended).await;
        (counts, problem)
    }

    async fn end(
        &self,
        task: &ReconciliationTask,
        counts: ReconciliationCounts,
        ended: Result<(), ReconcileProblem>,
    ) -> Option<ReconcileProblem> {
        let problem = ended.err();
        let end = match &problem {
            None => Some(ReconciliationEnd::Done),
            Some(problem) => problem.end(task.row.failures, self.clock.now()),
        };
        log_end(task, counts, problem.as_ref());
        if let Some(end) = end {
            self.metrics.ended(&task.target.source, outcome(end));
            if let Err(error) = self.store.end_reconciliation(task, end).await {
                // Its lease ends; then it goes on from where it got to.
                tracing::debug!(error = error.detail(), "can't write how a reconciliation ended");
            }
        }
        problem
    }

    /// Walks the list. Without a fence nothing is written.
    pub async fn attempt(
        &self,
        target: &ReconciliationTarget,
        fence: Option<ReconciliationFence>,
        stop: &CancellationToken,
    ) -> (ReconciliationCounts, Result<(), ReconcileProblem>) {
        match self.context(target, stop) {
            Ok(context) => Reconciliation::run(context, target, fence).await,
            Err(problem) => (ReconciliationCounts::default(), Err(problem)),
        }
    }

    /// Asks for the session and its people, from where an earlier try got to. Without a fence nothing is written.
    pub async fn refresh_people(
        &self,
        target: &ReconciliationTarget,
        fence: Option<ReconciliationFence>,
        mark: i64,
        stop: &CancellationToken,
    ) -> (PeopleCounts, Result<(), ReconcileProblem>) {
        match self.context(target, stop) {
            Ok(context) => {
                let (counts, ended) = PeopleRefresh::run(context, target, fence, mark).await;
                self.tell_unsupported(target, &counts);
                (counts, ended)
            }
            Err(problem) => (PeopleCounts::default(), Err(problem)),
        }
    }

    fn context<'a>(
        &'a self,
        target: &ReconciliationTarget,
        stop: &'a CancellationToken,
    ) -> Result<ReconcileContext<'a>, ReconcileProblem> {
        let api = self.apis.get(&target.source).ok_or(WahaError::Unsupported)?;
        Ok(ReconcileContext {
            store: &self.store,
            api,
            clock: &*self.clock,
            rules: &self.rules,
            metrics: &self.metrics,
            page_rows: self.limits.page_rows,
            stop,
        })
    }

    /// Once each, as long as this process runs.
    fn tell_unsupported(&self, target: &ReconciliationTarget, counts: &PeopleCounts) {
        let mut told = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        for what in &counts.unsupported {
            let ReconciliationTarget { source, session, engine, .. } = target;
            if told.insert((source.clone(), session.clone(), *what)) {
                let engine = engine.as_deref().unwrap_or("unknown");
                tracing::info!(
                    webhook.source = source.as_str(),
                    engine,
                    what,
                    "WAHA can't tell this of a session with its engine, release or configuration: it is left out"
                );
            }
        }
    }

    /// Renews the lease; ends when it is lost.
    async fn keep(&self, task: &ReconciliationTask) {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            // While the database is away, the others can't take it either.
            if let Ok(false) = self.store.renew_reconciliation(task, LEASE).await {
                return;
            }
        }
    }
}

fn log_end(
    task: &ReconciliationTask,
    counts: ReconciliationCounts,
    problem: Option<&ReconcileProblem>,
) {
    let ReconciliationCounts { requests, listed, missing, raised, .. } = counts;
    let (source, kind) = (task.target.source.as_str(), task.kind.name());
    if missing > 0 && task.kind != ReconciliationKind::People {
        tracing::warn!(
            webhook.source = source,
            reconciliation.kind = kind,
            missing,
            listed,
            "messages that WAHA never delivered were taken over from its list"
        );
    }
    tracing::debug!(
        webhook.source = source,
        reconciliation.kind = kind,
        requests,
        listed,
        missing,
        raised,
        reason = problem.map_or("done", ReconcileProblem::reason),
        "a session was compared with WAHA's list"
    );
}

fn outcome(end: ReconciliationEnd) -> ReconcileOutcome {
    match end {
        ReconciliationEnd::Done => ReconcileOutcome::Done,
        ReconciliationEnd::Waits { .. } => ReconcileOutcome::Waits,
        ReconciliationEnd::Stopped { .. } => ReconcileOutcome::Stopped,
    }
}
