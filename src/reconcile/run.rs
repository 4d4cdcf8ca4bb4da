//! One reconciliation: what WAHA says of the session, then window after window, each done before the next.

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use super::findings::{Findings, hour_of};
use super::problem::ReconcileProblem;
use super::row::ListOwner;
use crate::clock::Clock;
use crate::metrics::reconcile::ReconcileMetrics;
use crate::normalize::Rules;
use crate::store::Store;
use crate::store::operations::reconciliations::{
    ReconciliationFence, ReconciliationTarget, ReconciliationWindow, WindowDone,
};
use crate::waha_api::{SessionState, WahaApi, WahaError};

/// Whoever hears from WhatsApp.
pub(super) const WORKING: &str = "WORKING";
/// Longest window: in years without messages it costs as much as an hour.
const STEP_MAX: TimeDelta = TimeDelta::days(30);
/// First and shortest one of engines that list all chats together.
const STEP_MIN: TimeDelta = TimeDelta::hours(1);
/// Messages below which the next window is longer.
const FEW: usize = 200;
/// Our own messages are read by so much time.
const OURS_STEP: TimeDelta = TimeDelta::days(1);

/// What was counted on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReconciliationCounts {
    /// Requests to WAHA.
    pub requests: u64,
    /// Messages that it listed.
    pub listed: u64,
    /// Of those, the ones that were missing here.
    pub missing: u64,
    /// Own messages that got further than was known.
    pub raised: u64,
    /// Messages that can't be read: another release may.
    pub unreadable: u64,
    /// Messages that the tables refused.
    pub refused: u64,
}

impl ReconciliationCounts {
    /// Without what a window listed that is walked again in parts. What it wrote stays written.
    fn without_list(self, before: Self, only_looks: bool) -> Self {
        let Self { listed, unreadable, .. } = before;
        let (missing, raised) =
            if only_looks { (before.missing, before.raised) } else { (self.missing, self.raised) };
        Self { listed, missing, raised, unreadable, ..self }
    }
}

/// How an engine's list is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// All chats together: NOWEB and GOWS.
    Together,
    /// Chat by chat: WEBJS.
    ByChat,
    /// The same, back from the newest: WPP.
    Back,
}

/// A reconciliation on its way.
pub(super) struct Reconciliation<'a> {
    pub(super) store: &'a Store,
    pub(super) api: &'a WahaApi,
    pub(super) clock: &'a dyn Clock,
    pub(super) rules: &'a Rules,
    pub(super) metrics: &'a ReconcileMetrics,
    pub(super) stop: &'a CancellationToken,
    pub(super) session_id: i64,
    pub(super) owner: ListOwner,
    /// As whose it writes; none: it only looks.
    pub(super) fence: Option<ReconciliationFence>,
    pub(super) page_rows: usize,
    pub(super) counts: ReconciliationCounts,
    window: ReconciliationWindow,
    manner: Manner,
}

/// What a reconciliation works with.
#[derive(Clone, Copy)]
pub(super) struct ReconcileContext<'a> {
    /// The tables.
    pub store: &'a Store,
    /// The session's WAHA.
    pub api: &'a WahaApi,
    /// The time.
    pub clock: &'a dyn Clock,
    /// What the configuration decides.
    pub rules: &'a Rules,
    /// What is counted.
    pub metrics: &'a ReconcileMetrics,
    /// Messages that are asked for at a time.
    pub page_rows: usize,
    /// Ends it between two requests.
    pub stop: &'a CancellationToken,
}

impl<'a> Reconciliation<'a> {
    /// Does it, from where it got to; returns what was counted, whatever came of it. Without a fence it only looks.
    pub async fn run(
        context: ReconcileContext<'a>,
        target: &ReconciliationTarget,
        fence: Option<ReconciliationFence>,
    ) -> (ReconciliationCounts, Result<(), ReconcileProblem>) {
        let mut it = Self {
            store: context.store,
            api: context.api,
            clock: context.clock,
            rules: context.rules,
            metrics: context.metrics,
            stop: context.stop,
            session_id: target.session_id,
            owner: ListOwner {
                source: target.source.clone(),
                session: target.session.clone(),
                ..ListOwner::default()
            },
            fence,
            page_rows: context.page_rows,
            counts: ReconciliationCounts::default(),
            window: target.window,
            manner: Manner::Together,
        };
        let ended = it.walk_windows(target).await;
        (it.counts, ended)
    }

    /// Whether a message of this time is looked at: it is not too old, and not so new that its webhook may be on
    /// its way.
    pub(super) fn reads(&self, at_ms: i64) -> bool {
        let ReconciliationWindow { from, until } = self.window;
        at_ms >= from.timestamp_millis() && at_ms < until.timestamp_millis()
    }

    /// Whether filters are applied to what was fetched before.
    pub(super) fn filters_late(&self) -> bool {
        self.manner == Manner::Back
    }

    async fn walk_windows(
        &mut self,
        target: &ReconciliationTarget,
    ) -> Result<(), ReconcileProblem> {
        self.counts.requests += 1;
        let state = self.api.session_state(&target.session).await?;
        self.meet(state, target)?;
        let whole = self.window;
        let (mut cursor, mut before) = (whole.from, self.counts);
        let mut step = if self.manner == Manner::Together { STEP_MIN } else { STEP_MAX };
        while cursor < whole.until {
            let until = (hour_of(cursor) + step).min(whole.until);
            self.window = ReconciliationWindow { from: cursor, until };
            let Some(messages) = self.walk_window(step > STEP_MIN, before).await? else {
                // Where much was written there is more of it; what was written by now is known when it comes again.
                step = STEP_MIN;
                self.counts = self.counts.without_list(before, self.fence.is_none());
                continue;
            };
            before = self.counts;
            cursor = until;
            if self.manner == Manner::Together && messages < FEW {
                step = (step * 2).min(STEP_MAX);
            }
        }
        Ok(())
    }

    /// What WAHA says of the session decides how its list is walked, if at all.
    fn meet(
        &mut self,
        state: SessionState,
        target: &ReconciliationTarget,
    ) -> Result<(), ReconcileProblem> {
        if state.status != WORKING {
            return Err(WahaError::NotReady.into());
        }
        if state.has_store == Some(false) {
            return Err(ReconcileProblem::StoreOff);
        }
        let engine = state.engine.or_else(|| target.engine.clone()).unwrap_or_default();
        self.manner = match engine.as_str() {
            "NOWEB" | "GOWS" => Manner::Together,
            "WEBJS" => Manner::ByChat,
            "WPP" => Manner::Back,
            _ => return Err(ReconcileProblem::UnknownEngine),
        };
        self.owner.engine = engine;
        self.owner.me = state.me;
        Ok(())
    }

    /// How many messages a window had; none if it is to be walked in parts.
    async fn walk_window(
        &mut self,
        may_split: bool,
        before: ReconciliationCounts,
    ) -> Result<Option<usize>, ReconcileProblem> {
        let window = self.window;
        let mut findings = Findings::new(window);
        let messages = match self.manner {
            Manner::Together => self.walk_all(window, &mut findings, may_split).await?,
            Manner::ByChat | Manner::Back => Some(self.walk_chats(window, &mut findings).await?),
        };
        let Some(messages) = messages else { return Ok(None) };
        if let Some(fence) = self.fence {
            self.find_ours(&mut findings).await?;
            let done = self.done(before, findings);
            if !self.store.end_window(self.session_id, fence, &done).await? {
                return Err(ReconcileProblem::Lost);
            }
        }
        Ok(Some(messages))
    }

    async fn find_ours(&self, findings: &mut Findings) -> Result<(), ReconcileProblem> {
        let mut from = self.window.from;
        while from < self.window.until {
            let until = (from + OURS_STEP).min(self.window.until);
            let last = until - TimeDelta::microseconds(1);
            let window = ReconciliationWindow { from, until: last };
            for message in self.store.our_messages(self.session_id, window).await? {
                findings.have(&message);
            }
            from = until;
        }
        Ok(())
    }

    fn done(&self, before: ReconciliationCounts, findings: Findings) -> WindowDone {
        WindowDone {
            cursor: self.window.until,
            hours: findings.end(),
            requests: self.counts.requests - before.requests,
            listed: self.counts.listed - before.listed,
        }
    }
}
