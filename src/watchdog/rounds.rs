//! When sessions are looked at: every few seconds those that are due, each by the worker that takes it; the sources
//! side by side.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::WatchdogOptions;
use super::probe::SourceFacts;
use crate::clock::Clock;
use crate::metrics::watchdog::WatchdogMetrics;
use crate::outage::Outage;
use crate::queue::Queue;
use crate::quiet_sessions::Silence;
use crate::store::{Store, StoreError};
use crate::waha_api::{WahaApi, WahaError};

/// How often it is looked who is due.
const POLL: Duration = Duration::from_secs(10);
/// Sessions in a row of which WAHA answers nothing, after which the others of the source wait for the next round.
const UNANSWERED_MAX: u32 = 3;
/// For so long what is known of all sessions holds for each.
const HOLDS: TimeDelta = TimeDelta::seconds(30);

/// Watches the sessions of some WAHAs.
pub struct Watchdog {
    apis: HashMap<String, WahaApi>,
    pub(super) store: Arc<Store>,
    queue: Arc<dyn Queue>,
    pub(super) clock: Arc<dyn Clock>,
    silence: Silence,
    pub(super) options: WatchdogOptions,
    pub(super) metrics: WatchdogMetrics,
    /// What was known last; whoever needs it newer finds it for all.
    here: Mutex<Option<Here>>,
}

/// What is known here of all sessions at a moment.
#[derive(Clone)]
pub(super) struct Here {
    at: DateTime<Utc>,
    /// Up to when all that came has ended; none if that is not known.
    pub(super) ended_until: Option<DateTime<Utc>>,
    /// Sessions that are silent.
    pub(super) silent: Arc<HashSet<i64>>,
}

/// What a WAHA said of all its sessions.
pub(super) struct Told {
    /// When it was asked.
    pub(super) at: DateTime<Utc>,
    pub(super) facts: Result<SourceFacts, WahaError>,
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
        let (silence, here) = (Silence::new(Arc::clone(&store), silent_after), Mutex::default());
        Self { apis, store, queue, clock, silence, options, metrics, here }
    }

    /// Watches until `stop`; what is on its way then is finished by another look.
    pub async fn run(self, stop: CancellationToken) {
        let sources: Vec<String> = self.apis.keys().cloned().collect();
        // Of others nobody knows anything any more; what can't be written now is a worker's outage.
        let _ = self.store.forget_watches_but(&sources).await;
        join_all(self.apis.values().map(|api| self.watch(api, &stop))).await;
    }

    /// Watches the sessions of one source.
    async fn watch(&self, api: &WahaApi, stop: &CancellationToken) {
        let mut outage = Outage::new();
        while !stop.is_cancelled() {
            let wait = match stop.run_until_cancelled(self.look_due_of(api)).await {
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
        let looked = join_all(self.apis.values().map(|api| self.look_due_of(api))).await;
        looked.into_iter().collect()
    }

    /// Those of one source. If WAHA answers nothing of several in a row, the others stay due: those that wait are
    /// looked at before these the next time.
    async fn look_due_of(&self, api: &WahaApi) -> Result<(), StoreError> {
        let source = [api.source().to_owned()];
        self.store.ensure_watches(&source).await?;
        let due = self.store.due_watches(&source).await?;
        if due.is_empty() {
            return Ok(());
        }
        let mut told = self.ask(api).await;
        let mut unanswered = 0;
        for watch in due {
            if self.clock.now() - told.at > HOLDS {
                told = self.ask(api).await;
            }
            let due_at = self.clock.now() + delta(self.options.every);
            let Some(watch) = self.store.take_watch(watch, due_at).await? else { continue };
            let is_answered = self.look(api, watch, &told).await?;
            unanswered = if is_answered { 0 } else { unanswered + 1 };
            if unanswered == UNANSWERED_MAX {
                break;
            }
        }
        Ok(())
    }

    async fn ask(&self, api: &WahaApi) -> Told {
        let at = self.clock.now();
        Told { at, facts: SourceFacts::ask(api).await }
    }

    /// What is known here by now.
    pub(super) async fn here(&self) -> Result<Here, StoreError> {
        let mut last = self.here.lock().await;
        let at = self.clock.now();
        if let Some(here) = last.as_ref().filter(|here| at - here.at <= HOLDS) {
            return Ok(here.clone());
        }
        let depth = self.queue.depth().await.ok();
        let ended_until = depth.and_then(|depth| depth.ended_until(self.clock.now_ms()));
        let silent = match ended_until {
            Some(until) => self.silence.find(until).await?,
            None => Vec::new(),
        };
        let silent = silent.into_iter().map(|session| session.id).collect();
        let here = Here { at, ended_until, silent: Arc::new(silent) };
        *last = Some(here.clone());
        Ok(here)
    }
}

pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::hours(1))
}
