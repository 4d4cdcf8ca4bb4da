//! The worker: receives batches from every lane, has them processed, and ends each delivery once.
//!
//! Started by `up` and `work`. On a stop it takes no new work and finishes what is in hand; what
//! waits for an outage goes back to the queue with no attempt used.

mod budget;
mod bury;
mod error;
mod hold;
mod process;
mod tell;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::worker::WorkerMetrics;
use crate::normalize::Rules;
use crate::outage::Outage;
use crate::queue::{Delivery, Lane, Queue};
use crate::retry::RetryPolicy;
use crate::store::Store;
use crate::telemetry::cause;
use crate::telemetry::cause::Causes;
use crate::telemetry::dependency::{Dependencies, Usage};

pub use budget::ByteBudget;
pub use error::{ProcessError, Verdict};

/// How long one receive waits for work before it looks again whether to stop.
const RECEIVE_WAIT: Duration = Duration::from_secs(1);

/// Webhooks buried at a time that the queue gave up.
const GIVEN_UP_MAX: usize = 50;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Processed {
    /// Every delivery was ended.
    Ended,
    /// Some were given back because the database was away too long, or because of a stop.
    GivenBack,
}

impl Processed {
    /// Of two parts of a batch.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ended, Self::Ended) => Self::Ended,
            (Self::GivenBack, _) | (_, Self::GivenBack) => Self::GivenBack,
        }
    }
}

/// What a worker works with.
pub struct Worker {
    /// Where webhooks come from.
    pub queue: Arc<dyn Queue>,
    /// Where their changes go.
    pub store: Arc<Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What the configuration decides in normalizing.
    pub rules: Rules,
    /// When to try again.
    pub policy: RetryPolicy,
    /// Most webhooks in one transaction.
    pub batch_max: usize,
    /// Batches at a time, per lane.
    pub concurrency: usize,
    /// Bytes of bodies in hand.
    pub budget: ByteBudget,
    /// How long a batch is held while the database is away, before it is given back. Shorter than
    /// any queue's patience with what it handed out.
    pub hold_max: Duration,
    /// What it counts.
    pub metrics: WorkerMetrics,
    /// Where it says that the database or the queue is away.
    pub dependencies: Dependencies,
}

impl Worker {
    /// Works until `stop`, then finishes what is in hand.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut loops = JoinSet::new();
        for lane in Lane::ALL {
            for _ in 0..self.concurrency {
                loops.spawn(Arc::clone(&self).work_on(lane, stop.clone()));
            }
        }
        loops.spawn(Arc::clone(&self).work_on_given_up(stop));
        loops.join_all().await;
    }

    async fn work_on(self: Arc<Self>, lane: Lane, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let batch = stop.run_until_cancelled(self.receive(lane, &stop)).await;
            if let Some(batch) = batch
                && !batch.is_empty()
                && self.process_within_budget(batch, &stop).await == Processed::GivenBack
            {
                self.wait_for_store(&stop).await;
            }
        }
    }

    /// Processes a batch once there is room for it; at a stop it goes back at once.
    async fn process_within_budget(
        &self,
        batch: Vec<Delivery>,
        stop: &CancellationToken,
    ) -> Processed {
        let Some(_room) = stop.run_until_cancelled(self.budget.room_for(&batch)).await else {
            return Processed::GivenBack;
        };
        self.process(batch, stop).await
    }

    /// Waits until the database takes writes. Nothing is received meanwhile, so the queue is not asked
    /// for what could only be held.
    async fn wait_for_store(&self, stop: &CancellationToken) {
        let mut outage = Outage::new();
        while !stop.is_cancelled() && self.store.probe().await.is_err() {
            wait(outage.next_wait(), stop).await;
        }
    }

    /// Says that rows could not be written, through no fault of a webhook.
    fn report_outage(&self, error: &(dyn Error + 'static)) {
        self.dependencies.failed(Usage::Apply, self.clock.now_ms(), &cause::words(error));
    }

    /// Makes dead letters of what the queue itself gave up.
    async fn work_on_given_up(self: Arc<Self>, stop: CancellationToken) {
        let mut outage = Outage::new();
        while !stop.is_cancelled() {
            let limit = self.budget.limit(GIVEN_UP_MAX);
            let receiving = self.queue.receive_given_up(limit, RECEIVE_WAIT);
            match stop.run_until_cancelled(receiving).await {
                Some(Ok(given_up)) => {
                    outage = Outage::new();
                    // They have no share of the budget, as large bodies have none.
                    let _room = self.budget.alone().await;
                    if self.bury_given_up(given_up, &stop).await == Processed::GivenBack {
                        self.wait_for_store(&stop).await;
                    }
                }
                // The lanes report the same.
                Some(Err(_)) => drop(wait(outage.next_wait(), &stop).await),
                None => return,
            }
        }
    }

    /// The next batch; waits while the queue is away.
    async fn receive(&self, lane: Lane, stop: &CancellationToken) -> Vec<Delivery> {
        let mut outage = Outage::new();
        loop {
            let limit = self.budget.limit(self.batch_max);
            let received = self.queue.receive(lane, limit, RECEIVE_WAIT).await;
            self.dependencies.used(Usage::Receive, self.clock.now_ms(), &received);
            match received {
                Ok(batch) => return batch,
                Err(error) => {
                    if outage.is_news() {
                        tracing::warn!(
                            lane = lane.name(),
                            error = %Causes(&error),
                            "can't receive"
                        );
                    }
                    wait(outage.next_wait(), stop).await;
                }
            }
        }
    }

    /// Processes everything that is due, then returns; for tests and `demo`.
    pub async fn work_until_idle(&self) {
        let stop = CancellationToken::new();
        let mut is_idle = false;
        while !is_idle {
            is_idle = true;
            for lane in Lane::ALL {
                let batch = self
                    .queue
                    .receive(lane, self.budget.limit(self.batch_max), Duration::ZERO)
                    .await;
                let batch = batch.unwrap_or_default();
                is_idle &= batch.is_empty();
                self.process(batch, &stop).await;
            }
        }
    }
}

/// Waits, but not beyond a stop. False when it stopped.
async fn wait(delay: Duration, stop: &CancellationToken) -> bool {
    stop.run_until_cancelled(tokio::time::sleep(delay)).await.is_some()
}
