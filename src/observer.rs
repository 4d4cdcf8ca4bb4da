//! Looks every few seconds at what a process depends on: queue, spool, tables. What it sees is what
//! `/readyz` answers and `/metrics` exports.
//!
//! Started by `lifecycle`. What must stay true: asking often costs nothing more, because whoever asks
//! shares one look; and a look ends soon, whatever hangs.

mod tables;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::tables::Tables;
use crate::clock::Clock;
use crate::queue::{Depth, FileDepth, Queue};
use crate::silence::SilentSession;
use crate::store::Store;
use crate::telemetry::dependency::Dependency;
use crate::telemetry::metrics::{Metrics, Scope};

/// How often it looks by itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A look that is younger than this is shared.
const FRESH: Duration = Duration::from_secs(1);

/// What takes longer does not answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What was seen.
#[derive(Clone, Debug)]
pub struct Sight {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// What waits; none if the queue did not answer.
    pub depth: Option<Depth>,
    /// Whether a webhook could be made durable.
    pub takes_webhooks: bool,
}

/// Looks at queue, spool and tables.
pub struct Observer {
    queue: Arc<dyn Queue>,
    tables: Option<Tables>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    scope: Scope,
    /// Held while looking, so that whoever asks meanwhile shares the look.
    looked_at: Mutex<Option<Instant>>,
    latest: watch::Sender<Option<Arc<Sight>>>,
}

impl Observer {
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
        Self { queue, tables, clock, metrics, scope, looked_at, latest }
    }

    /// Looks again and again, until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        loop {
            self.look().await;
            let pause = tokio::time::sleep(LOOK_EVERY);
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// What was last seen; waits for the first look only.
    pub async fn latest(&self) -> Option<Arc<Sight>> {
        let mut latest = self.latest.subscribe();
        let known = latest.wait_for(Option::is_some).await;
        known.ok().and_then(|sight| sight.clone())
    }

    /// What is to be seen now, or was a moment ago. Sets the metrics.
    pub async fn look(&self) -> Option<Arc<Sight>> {
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_none_or(|at| at.elapsed() >= FRESH) {
            let sight = Arc::new(self.observe().await);
            self.latest.send_replace(Some(sight));
            *looked_at = Some(Instant::now());
        }
        self.latest.borrow().clone()
    }

    /// The sessions that were found silent a moment ago.
    pub fn silent_sessions(&self) -> Arc<Vec<SilentSession>> {
        self.tables.as_ref().map(Tables::silent).unwrap_or_default()
    }

    async fn observe(&self) -> Sight {
        let (depth, database) = join(self.depth(), self.is_database_up()).await;
        let now_ms = self.clock.now_ms();
        if let Some(is_up) = database {
            self.metrics.dependencies.report(Dependency::Database, is_up, now_ms);
        }
        let takes_webhooks = self.report_queue(depth.as_ref(), now_ms);
        match &depth {
            Some(depth) => self.metrics.gauges.set_depth(depth, now_ms),
            None => self.metrics.gauges.forget_depth(),
        }
        if let Some(tables) = self.tables.as_ref().filter(|_| database == Some(true)) {
            tables.look(depth.as_ref().and_then(|depth| depth.ended_until(now_ms))).await;
        }
        Sight { at_ms: now_ms, depth, takes_webhooks }
    }

    async fn depth(&self) -> Option<Depth> {
        timeout(ANSWER_MAX, self.queue.depth()).await.ok().and_then(Result::ok)
    }

    async fn is_database_up(&self) -> Option<bool> {
        let ping = timeout(ANSWER_MAX, self.tables.as_ref()?.ping()).await;
        Some(ping.unwrap_or(false))
    }

    /// Reports queue and spool; says whether one of them takes webhooks.
    fn report_queue(&self, depth: Option<&Depth>, now_ms: i64) -> bool {
        let dependencies = &self.metrics.dependencies;
        let file_has_room = depth.and_then(|depth| depth.file).is_some_and(FileDepth::has_room);
        let queue = if self.scope.has_broker {
            depth.is_some_and(|depth| depth.broker_answers == Some(true))
        } else {
            file_has_room
        };
        dependencies.report(Dependency::Queue, queue, now_ms);
        let has_spool = self.scope.has_broker && self.scope.serves;
        if has_spool {
            dependencies.report(Dependency::Spool, file_has_room, now_ms);
        }
        queue || (has_spool && file_has_room)
    }
}
