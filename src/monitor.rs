//! Looks every few seconds at what a process depends on: what waits in queue and tables, and whether
//! what nobody used for a while can still be used.
//!
//! Started by `lifecycle`; `/metrics` exports what it sees. Invariant: asking often costs
//! nothing more, because whoever asks shares one look; a look ends soon, whatever hangs; and what is
//! being used is judged by its uses alone (`telemetry::dependency`), never by what is tried here.

pub mod broker;
pub mod disk;
mod tables;
mod trend;

use std::error::Error;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join3};
use tokio::sync::{Mutex, watch};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::tables::Tables;
use self::trend::Trend;
use crate::clock::Clock;
use crate::metrics::{Metrics, Scope};
use crate::queue::{Depth, Queue};
use crate::quiet_sessions::SilentSession;
use crate::store::Store;
use crate::telemetry::cause;
use crate::telemetry::dependency::{Dependencies, Usage};

pub use self::trend::TrendPoint;

/// How often it looks by itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A look that is younger than this is shared.
const FRESH: Duration = Duration::from_secs(1);

/// What takes longer does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What was not used for so long is tried. Longer than the longest wait between two tries of somebody
/// who has work in hand (see `outage`): as long as there is a real use, no trial speaks for it.
const IDLE: Duration = Duration::from_secs(8);

/// What was seen.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// What waits; none if the queue did not answer.
    pub depth: Option<Depth>,
}

/// Looks at queue, spool and tables.
pub struct Monitor {
    queue: Arc<dyn Queue>,
    tables: Option<Tables>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    scope: Scope,
    /// Held while looking, so that whoever asks meanwhile shares the look.
    looked_at: Mutex<Option<Instant>>,
    latest: watch::Sender<Option<Arc<Snapshot>>>,
    trend: std::sync::Mutex<Trend>,
}

impl Monitor {
    /// Looks at a queue and, where a process has them, tables.
    pub fn new(
        queue: Arc<dyn Queue>,
        store: Option<Arc<Store>>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        scope: Scope,
        silent_after: Duration,
    ) -> Self {
        let tables = store.map(|it| Tables::new(it, metrics.gauges.clone(), silent_after));
        let (looked_at, latest) = (Mutex::new(None), watch::Sender::new(None));
        let trend = std::sync::Mutex::default();
        Self { queue, tables, clock, metrics, scope, looked_at, latest, trend }
    }

    /// Looks again and again, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let seen = self.look().await;
            self.remember(seen.as_deref());
            let pause = tokio::time::sleep(LOOK_EVERY);
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// What was last seen; waits for the first look only.
    pub async fn latest(&self) -> Option<Arc<Snapshot>> {
        let mut latest = self.latest.subscribe();
        let known = latest.wait_for(Option::is_some).await;
        known.ok().and_then(|sight| sight.clone())
    }

    /// What is to be seen now, or was a moment ago. Sets the metrics.
    pub async fn look(&self) -> Option<Arc<Snapshot>> {
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_none_or(|at| at.elapsed() >= FRESH) {
            let sight = Arc::new(self.observe().await);
            self.latest.send_replace(Some(sight));
            *looked_at = Some(Instant::now());
        }
        self.latest.borrow().clone()
    }

    /// The looks of the last minutes, oldest first.
    pub fn trend(&self) -> Vec<TrendPoint> {
        self.trend.lock().unwrap_or_else(PoisonError::into_inner).points()
    }

    fn remember(&self, seen: Option<&Snapshot>) {
        let lanes = |depth: &Depth| depth.lanes.iter().map(|it| it.ready + it.retrying).collect();
        let point = TrendPoint {
            at_ms: self.clock.now_ms(),
            waiting: seen.and_then(|seen| seen.depth.as_ref()).map(lanes),
            accepted: self.metrics.door.accepted(),
            ended: self.metrics.worker.ended_total(),
        };
        self.trend.lock().unwrap_or_else(PoisonError::into_inner).add(point);
    }

    /// The time, ms since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The sessions that were found silent a moment ago.
    pub fn silent_sessions(&self) -> Arc<Vec<SilentSession>> {
        self.tables.as_ref().map(Tables::silent).unwrap_or_default()
    }

    async fn observe(&self) -> Snapshot {
        let replica = async {
            if let Some(tables) = &self.tables {
                tables.look_at_replica().await;
            }
        };
        let (depth, (), ()) = join3(self.depth(), self.try_idle(), replica).await;
        let now_ms = self.clock.now_ms();
        match &depth {
            Some(depth) => self.metrics.gauges.set_depth(depth, now_ms),
            None => self.metrics.gauges.forget_depth(),
        }
        if let Some(tables) = &self.tables
            && self.dependencies().works(Usage::Apply)
        {
            tables.look(depth.as_ref().and_then(|depth| depth.ended_until(now_ms))).await;
        }
        Snapshot { at_ms: now_ms, depth }
    }

    fn dependencies(&self) -> &Dependencies {
        &self.metrics.dependencies
    }

    /// What waits. For a worker it is a use of the queue as well, if it was not used for a while.
    async fn depth(&self) -> Option<Depth> {
        let is_idle = self.scope.works && self.is_idle(Usage::Receive);
        let depth = timeout(ANSWER_MAX, self.queue.depth()).await;
        if is_idle {
            self.tell(Usage::Receive, depth.as_ref().map(Result::as_ref));
        }
        depth.ok().and_then(Result::ok)
    }

    /// Tries to write where nobody wrote for a while. The queue says itself how that went.
    async fn try_idle(&self) {
        let spool_is_idle = self.scope.has_broker && self.is_idle(Usage::Spool);
        let queue = async {
            if self.scope.serves && (self.is_idle(Usage::Publish) || spool_is_idle) {
                // An answer that comes too late was told when it was dropped.
                let _ = timeout(ANSWER_MAX, self.queue.probe()).await;
            }
        };
        let tables = async {
            if let Some(tables) = &self.tables
                && self.is_idle(Usage::Apply)
            {
                let tried = timeout(ANSWER_MAX, tables.probe()).await;
                self.tell(Usage::Apply, tried.as_ref().map(Result::as_ref));
            }
        };
        join(queue, tables).await;
    }

    /// Whether something was not used for a while, by a clock that may jump.
    fn is_idle(&self, usage: Usage) -> bool {
        let last_use = self.dependencies().last_use(usage);
        let idle_ms = |at_ms: i64| self.clock.now_ms().abs_diff(at_ms);
        last_use.is_none_or(|last_use| u128::from(idle_ms(last_use.at_ms)) >= IDLE.as_millis())
    }

    fn tell<T, E: Error + 'static>(&self, usage: Usage, tried: Result<Result<&T, &E>, &Elapsed>) {
        let now_ms = self.clock.now_ms();
        match tried {
            Ok(Ok(_)) => self.dependencies().worked(usage, now_ms),
            Ok(Err(error)) => self.dependencies().failed(usage, now_ms, &cause::words(error)),
            Err(_) => {
                let words = format!("no answer within {} s", ANSWER_MAX.as_secs());
                self.dependencies().failed(usage, now_ms, &words);
            }
        }
    }
}
