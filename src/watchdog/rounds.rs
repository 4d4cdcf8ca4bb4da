//! When sessions are looked at: every few seconds those that are due, each by the worker that takes it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::WatchdogOptions;
use super::episode::{Step, follow};
use super::evidence::{Evidence, read_counter};
use super::probe::{SourceFacts, ask_further};
use super::remedies::{reconciliation, relieve, restart, warn};
use super::verdict::{Finding, judge};
use crate::clock::Clock;
use crate::metrics::watchdog::WatchdogMetrics;
use crate::outage::Outage;
use crate::queue::Queue;
use crate::quiet_sessions::Silence;
use crate::store::operations::sessions::SessionReach;
use crate::store::operations::watches::{ProbeEntry, ProbeKind, Watch, WatchVerdict};
use crate::store::{Store, StoreError};
use crate::waha_api::{WahaApi, WahaError};

/// How often it is looked who is due.
const POLL: Duration = Duration::from_secs(10);

/// Watches the sessions of some WAHAs.
pub struct Watchdog {
    apis: HashMap<String, WahaApi>,
    store: Arc<Store>,
    queue: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    silence: Silence,
    options: WatchdogOptions,
    metrics: WatchdogMetrics,
}

/// What holds for all sessions of a round.
struct Round {
    now: DateTime<Utc>,
    /// Up to when all that came has ended; none if that is not known.
    ended_until: Option<DateTime<Utc>>,
    /// Sessions that are silent.
    silent: HashSet<i64>,
    /// Of each source that was asked.
    facts: HashMap<String, Result<SourceFacts, WahaError>>,
}

impl Watchdog {
    /// One that asks these WAHAs. No pause up to `silent_after` is silence.
    pub fn new(
        store: Arc<Store>,
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
        apis: Vec<WahaApi>,
        options: WatchdogOptions,
        silent_after: Duration,
        metrics: WatchdogMetrics,
    ) -> Self {
        let apis = apis.into_iter().map(|api| (api.source().to_owned(), api)).collect();
        let silence = Silence::new(Arc::clone(&store), silent_after);
        Self { apis, store, queue, clock, silence, options, metrics }
    }

    /// Watches until `stop`; what is on its way then is finished by another look.
    pub async fn run(self, stop: CancellationToken) {
        let mut outage = Outage::new();
        let sources: Vec<String> = self.apis.keys().cloned().collect();
        // Of others nobody knows anything any more; what can't be written now is a worker's outage.
        let _ = self.store.forget_watches_but(&sources).await;
        while !stop.is_cancelled() {
            let wait = match stop.run_until_cancelled(self.look_due()).await {
                None => return,
                Some(Ok(())) => {
                    outage = Outage::new();
                    POLL
                }
                Some(Err(error)) => {
                    // The worker reports an outage.
                    tracing::debug!(error = error.detail(), "can't look after sessions");
                    outage.next_wait()
                }
            };
            stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// Looks at the sessions that are due now.
    pub async fn look_due(&self) -> Result<(), StoreError> {
        let sources: Vec<String> = self.apis.keys().cloned().collect();
        self.store.ensure_watches(&sources).await?;
        let due = self.store.due_watches(&sources).await?;
        if due.is_empty() {
            return Ok(());
        }
        let mut round = self.begin_round().await?;
        for watch in due {
            let due_at = round.now + delta(self.options.every);
            if let Some(watch) = self.store.take_watch(watch, due_at).await? {
                self.look(watch, &mut round).await?;
            }
        }
        Ok(())
    }

    async fn begin_round(&self) -> Result<Round, StoreError> {
        let now = self.clock.now();
        let depth = self.queue.depth().await.ok();
        let ended_until = depth.and_then(|depth| depth.ended_until(self.clock.now_ms()));
        let silent = match ended_until {
            Some(until) => self.silence.find(until).await?,
            None => Vec::new(),
        };
        let silent = silent.into_iter().map(|session| session.id).collect();
        Ok(Round { now, ended_until, silent, facts: HashMap::new() })
    }

    /// Looks at one session, writes what was found, and does what follows.
    async fn look(&self, mut watch: Watch, round: &mut Round) -> Result<(), StoreError> {
        let Some(api) = self.apis.get(&watch.source) else { return Ok(()) };
        if !round.facts.contains_key(&watch.source) {
            round.facts.insert(watch.source.clone(), SourceFacts::ask(api).await);
        }
        let mut evidence = self.known(&watch, round).await?;
        let finding = match round.facts.get(&watch.source) {
            Some(Ok(facts)) => self.found(api, &mut watch, facts, &mut evidence, round.now).await?,
            Some(Err(error)) => unknown(error),
            None => return Ok(()),
        };
        let step = follow(&watch.row, finding, &self.options, round.now);
        let entry = |kind, reason| {
            let (verdict, status) = (finding.verdict, evidence.status.clone());
            ProbeEntry { kind, verdict, reason, status }
        };
        let told = step.is_told.then(|| entry(ProbeKind::Probe, Some(finding.reason)));
        let told: Vec<ProbeEntry> = told.into_iter().collect();
        if !self.store.note_watch(&step.row, &told).await? {
            return Ok(());
        }
        let Step { remedies, is_over, .. } = step;
        if is_over {
            relieve(&watch);
        }
        for remedy in remedies {
            let done = self.apply(remedy, api, &watch, finding, &evidence, round.now).await?;
            self.metrics.applied(&watch.source, remedy, done.is_ok());
            let entry = entry(remedy, done.err());
            self.store.note_remedy(watch.row.session_id, entry).await?;
        }
        Ok(())
    }

    /// What is known here.
    async fn known(&self, watch: &Watch, round: &Round) -> Result<Evidence, StoreError> {
        let session_id = watch.row.session_id;
        let row = self.store.session(&SessionReach::default(), session_id).await?;
        Ok(Evidence {
            heard_at: row.and_then(|row| row.last_webhook_at),
            ended_until: round.ended_until,
            is_silent: round.silent.contains(&session_id),
            ..Evidence::default()
        })
    }

    /// What WAHA says beside it, and what that means.
    async fn found(
        &self,
        api: &WahaApi,
        watch: &mut Watch,
        facts: &SourceFacts,
        evidence: &mut Evidence,
        now: DateTime<Utc>,
    ) -> Result<Finding, StoreError> {
        let session = watch.session.as_str();
        facts.status(session).clone_into(&mut evidence.status);
        evidence.is_elsewhere = facts.is_elsewhere(session);
        let counters = (!evidence.is_elsewhere).then(|| facts.counters(watch, now)).flatten();
        if let Err(error) = ask_further(api, session, evidence, now).await {
            return Ok(unknown(&error));
        }
        if evidence.is_newer_in_store() {
            evidence.told_at = self.store.last_told_at(watch.row.session_id).await?;
        }
        watch.row.counters = counters;
        let emitted = facts.emitted(session);
        evidence.counter = read_counter(&mut watch.row, emitted, evidence, now);
        Ok(judge(evidence, now))
    }

    /// Does what helps; an inner error is why it was not done.
    async fn apply(
        &self,
        remedy: ProbeKind,
        api: &WahaApi,
        watch: &Watch,
        finding: Finding,
        evidence: &Evidence,
        now: DateTime<Utc>,
    ) -> Result<Result<(), &'static str>, StoreError> {
        match remedy {
            ProbeKind::Reconcile => {
                let request = reconciliation(watch.row.session_id, evidence.heard_at, now);
                self.store.request_reconciliation(&request).await?;
                Ok(Ok(()))
            }
            ProbeKind::Restart => Ok(restart(api, watch).await.map_err(|error| error.reason())),
            ProbeKind::Warn | ProbeKind::Probe => {
                warn(watch, finding);
                Ok(Ok(()))
            }
        }
    }
}

fn unknown(error: &WahaError) -> Finding {
    Finding { verdict: WatchVerdict::Unknown, reason: error.reason() }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::hours(1))
}
