//! One look at one session: what is known, what that means, what is done.

use chrono::{DateTime, TimeDelta, Utc};

use super::episode::{Step, follow};
use super::evidence::{Evidence, read_counter};
use super::probe::{SourceFacts, ask_further};
use super::remedies::{reconciliation, relieve, restart, warn};
use super::rounds::{Told, Watchdog, delta};
use super::verdict::{Finding, judge};
use crate::store::StoreError;
use crate::store::operations::sessions::SessionReach;
use crate::store::operations::watches::{ProbeEntry, ProbeKind, Watch, WatchVerdict};
use crate::waha_api::{WahaApi, WahaError};

/// For so long another session of the source waits with its restart, unless the one before works again.
const RESTART_TURN: TimeDelta = TimeDelta::minutes(5);

impl Watchdog {
    /// Looks at one session, writes what was found, and does what follows. False if WAHA was asked about it and did not
    /// answer.
    pub(super) async fn look(
        &self,
        api: &WahaApi,
        mut watch: Watch,
        told: &Told,
    ) -> Result<bool, StoreError> {
        let mut evidence = self.known(&watch).await?;
        let finding = match &told.facts {
            Ok(facts) => self.found(api, &mut watch, (facts, told.at), &mut evidence).await?,
            Err(error) => unknown(error),
        };
        let now = self.clock.now();
        let step = follow(&watch.row, finding, &self.options, now);
        let probe = entry(ProbeKind::Probe, Some(finding.reason), finding, &evidence);
        let entries: Vec<ProbeEntry> = step.is_told.then_some(probe).into_iter().collect();
        if self.store.note_watch(&step.row, &entries).await? {
            self.help(api, &watch, step, finding, &evidence).await?;
        }
        Ok(!evidence.is_unanswered)
    }

    /// Does what follows.
    async fn help(
        &self,
        api: &WahaApi,
        watch: &Watch,
        step: Step,
        finding: Finding,
        evidence: &Evidence,
    ) -> Result<(), StoreError> {
        if step.is_over {
            relieve(watch);
        }
        for remedy in step.remedies {
            let (now, restart_after) = (self.clock.now(), delta(self.options.restart_after));
            let (turn_after, waits_since) = (now - RESTART_TURN, now - restart_after);
            // One that has to wait is due in the next look as well.
            let waits = remedy == ProbeKind::Restart
                && !self.store.claim_restart(watch, turn_after, waits_since).await?;
            if waits {
                continue;
            }
            let done = self.apply(remedy, api, watch, finding, evidence).await?;
            self.metrics.applied(&watch.source, remedy, done.is_ok());
            let entry = entry(remedy, done.err(), finding, evidence);
            self.store.note_remedy(watch.row.session_id, entry).await?;
        }
        Ok(())
    }

    /// What is known here.
    async fn known(&self, watch: &Watch) -> Result<Evidence, StoreError> {
        let session_id = watch.row.session_id;
        let here = self.here().await?;
        let row = self.store.session(&SessionReach::default(), session_id).await?;
        Ok(Evidence {
            heard_at: row.and_then(|row| row.last_webhook_at),
            ended_until: here.ended_until,
            is_silent: here.silent.contains(&session_id),
            ..Evidence::default()
        })
    }

    /// What WAHA says beside it, and what that means. What it counts was so when it told of all.
    async fn found(
        &self,
        api: &WahaApi,
        watch: &mut Watch,
        (facts, told_at): (&SourceFacts, DateTime<Utc>),
        evidence: &mut Evidence,
    ) -> Result<Finding, StoreError> {
        let session = watch.session.as_str();
        facts.status(session).clone_into(&mut evidence.status);
        evidence.is_elsewhere = facts.is_elsewhere(session);
        let counters = (!evidence.is_elsewhere).then(|| facts.counters(watch, told_at)).flatten();
        if let Err(error) = ask_further(api, session, evidence, self.clock.now()).await {
            return Ok(unknown(&error));
        }
        if evidence.is_newer_in_store() {
            evidence.told_at = self.store.last_told_at(watch.row.session_id).await?;
        }
        watch.row.counters = counters;
        let emitted = facts.emitted(session);
        evidence.counter = read_counter(&mut watch.row, emitted, evidence, told_at);
        Ok(judge(evidence, self.clock.now()))
    }

    /// Does what helps; an inner error is why it was not done.
    async fn apply(
        &self,
        remedy: ProbeKind,
        api: &WahaApi,
        watch: &Watch,
        finding: Finding,
        evidence: &Evidence,
    ) -> Result<Result<(), &'static str>, StoreError> {
        match remedy {
            ProbeKind::Reconcile => {
                let now = self.clock.now();
                let request = reconciliation(watch.row.session_id, evidence.heard_at, now);
                self.store.request_reconciliation(&request).await?;
                Ok(Ok(()))
            }
            ProbeKind::Restart => match restart(api, watch).await {
                Ok(()) => Ok(Ok(self.store.count_restart(watch).await?)),
                Err(error) => Ok(Err(error.reason())),
            },
            ProbeKind::Warn | ProbeKind::Probe => {
                warn(watch, finding);
                Ok(Ok(()))
            }
        }
    }
}

fn entry(
    kind: ProbeKind,
    reason: Option<&'static str>,
    finding: Finding,
    evidence: &Evidence,
) -> ProbeEntry {
    ProbeEntry { kind, verdict: finding.verdict, reason, status: evidence.status.clone() }
}

fn unknown(error: &WahaError) -> Finding {
    Finding { verdict: WatchVerdict::Unknown, reason: error.reason() }
}
