//! Holding what is in hand while the database is away.
//!
//! Used by `process` and `bury`. Invariant: an outage ends nothing and uses no attempt, and
//! nothing is held longer than any queue has patience with what it handed out.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::error::{ProcessError, Verdict};
use super::tell::millis;
use super::{Worker, wait};
use crate::outage::Outage;
use crate::store::StoreError;
use crate::telemetry::cause::Causes;
use crate::telemetry::dependency::Usage;

/// What takes longer is told as an outage while it goes on: behind somebody's lock it may take a minute
/// until a transaction is given up.
const SLOW_AFTER: Duration = Duration::from_secs(5);

/// Conflicts in a row after which the database is as good as away.
const CONFLICTS_MAX: u32 = 5;

impl Worker {
    /// Tries until it is no outage that answers; none when the database is away too long, or the worker
    /// stops meanwhile. Our own panics are errors like others.
    pub(super) async fn through_outages<T, F>(
        &self,
        attempt: impl Fn() -> F,
        stop: &CancellationToken,
    ) -> Result<Option<T>, ProcessError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut hold = Hold::new(self.hold_max);
        loop {
            let attempt = AssertUnwindSafe(attempt()).catch_unwind();
            let error = match self.telling_if_slow(attempt).await {
                Ok(Ok(done)) => {
                    self.dependencies.worked(Usage::Apply, self.clock.now_ms());
                    return Ok(Some(done));
                }
                Ok(Err(error)) => ProcessError::from(error),
                Err(_) => ProcessError::Panic,
            };
            match error.verdict() {
                Verdict::Again if hold.is_worth_a_try() => continue,
                Verdict::Again | Verdict::Hold => {}
                Verdict::Retry | Verdict::DeadLetter => return Err(error),
            }
            self.report_outage(&error);
            if !hold.wait(&error, stop).await {
                return Ok(None);
            }
        }
    }
}

impl Worker {
    /// Waits for the end, and says meanwhile that the database hangs.
    async fn telling_if_slow<T>(&self, attempt: impl Future<Output = T>) -> T {
        let mut attempt = std::pin::pin!(attempt);
        if let Ok(ended) = timeout(SLOW_AFTER, attempt.as_mut()).await {
            return ended;
        }
        let words = format!("no answer within {} s", SLOW_AFTER.as_secs());
        self.dependencies.failed(Usage::Apply, self.clock.now_ms(), &words);
        attempt.await
    }
}

/// How long deliveries are held while the database is away.
struct Hold {
    outage: Outage,
    until: Instant,
    conflicts: u32,
}

impl Hold {
    fn new(hold_max: Duration) -> Self {
        Self { outage: Outage::new(), until: Instant::now() + hold_max, conflicts: 0 }
    }

    /// Whether to try at once after one more conflict.
    fn is_worth_a_try(&mut self) -> bool {
        self.conflicts += 1;
        self.conflicts <= CONFLICTS_MAX
    }

    /// Waits for the next try. False when it is time to give back, or the worker stops.
    async fn wait(&mut self, error: &ProcessError, stop: &CancellationToken) -> bool {
        let delay = self.outage.next_wait();
        if Instant::now() + delay > self.until {
            tracing::warn!(
                error = %Causes(error),
                "the database stays away: webhooks are given back"
            );
            return false;
        }
        if self.outage.is_news() {
            tracing::warn!(
                error = %Causes(error),
                retry.delay_ms = millis(delay),
                "the database is away: webhooks wait, no attempt is used"
            );
        }
        wait(delay, stop).await
    }
}
