//! The beat of a process that works: every few seconds it says in `waha_processes` that it lives and
//! what it has in hand, so that `status` can tell what is missing from what is in work.
//!
//! Run by `lifecycle` beside the worker, from before it takes anything until it has ended everything.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::lifecycle::Parts;
use crate::queue::Queue;
use crate::store::Store;
use crate::store::operations::processes::{ProcessBeat, ProcessIdentity};
use crate::telemetry::outage_log::{DueLine, OutageLog};

/// How often a process beats that takes from a broker: two beats are the least that `status` needs to
/// say that something is missing.
pub const BEAT_EVERY: Duration = Duration::from_secs(3);

/// How often one beats whose queue is a file, which knows by itself what is in hand.
const BEAT_EVERY_EMBEDDED: Duration = Duration::from_secs(15);

/// A beat that takes longer is left out.
const BEAT_MAX: Duration = Duration::from_secs(10);

/// A process that beats.
pub(super) struct Beating {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Beating {
    /// Stops: nothing is in hand any more.
    pub(super) async fn end(self) {
        self.stop.cancel();
        // A panic there has been reported.
        let _ = self.task.await;
    }
}

/// The beat of a process.
pub(super) struct Heartbeat {
    process: ProcessIdentity,
    every: Duration,
    queue: Arc<dyn Queue>,
    store: Arc<Store>,
    log: OutageLog,
}

impl Heartbeat {
    /// The beat of this process.
    pub(super) fn of(parts: &Parts, store: Arc<Store>) -> Self {
        Self {
            process: identity(parts),
            every: if parts.scope.has_broker { BEAT_EVERY } else { BEAT_EVERY_EMBEDDED },
            queue: Arc::clone(&parts.queue),
            store,
            log: OutageLog::new(),
        }
    }

    /// Beats from now on.
    pub(super) fn start(self) -> Beating {
        let stop = CancellationToken::new();
        Beating { task: tokio::spawn(self.run(stop.clone())), stop }
    }

    async fn run(self, stop: CancellationToken) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for number in 0.. {
            if stop.run_until_cancelled(ticks.tick()).await.is_none() {
                break;
            }
            // To its end, also at a stop: a beat that comes after the farewell would stay.
            let _ = timeout(BEAT_MAX, self.beat(number)).await;
        }
        let _ = timeout(BEAT_MAX, self.store.forget_process(&self.process.instance)).await;
    }

    async fn beat(&self, number: u64) {
        // What can't be told now is told as unknown.
        let in_hand = self.queue.in_hand().await.ok().flatten();
        match self.store.beat(&self.process, &ProcessBeat { number, in_hand }).await {
            Ok(()) => self.log.worked(),
            Err(error) => {
                if let Some(DueLine { error, .. }) = self.log.failed(&error) {
                    tracing::warn!(
                        error,
                        "can't say that this process lives: status will not know"
                    );
                }
            }
        }
    }
}

fn identity(parts: &Parts) -> ProcessIdentity {
    ProcessIdentity {
        instance: random_name(),
        host: whoami::hostname().unwrap_or_else(|_| "unknown".to_owned()),
        pid: std::process::id(),
        role: if parts.scope.serves { "up" } else { "work" },
        started_at: parts.clock.now(),
    }
}

#[expect(clippy::disallowed_methods, reason = "names must differ between processes")]
pub(super) fn random_name() -> String {
    use rand::Rng;
    let mut name = [0; 16];
    rand::rng().fill_bytes(&mut name);
    hex::encode(name)
}
