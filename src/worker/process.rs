//! A batch: normalize each, apply all in one transaction, and end every delivery.
//!
//! A failure that is not an outage splits the batch until the culprit stands alone, so one bad
//! webhook never holds up the others. A dead letter is a row before its delivery is acked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::{ProcessError, Verdict};
use super::tell::millis;
use super::{Processed, Worker, wait};
use crate::normalize::{Normalized, normalize};
use crate::outage::Outage;
use crate::queue::{Delivery, Failure, GivenUp};
use crate::store::dead_letter::Burial;
use crate::store::{Applied, Outcome, Task};
use crate::telemetry::dependency::Dependency;
use crate::trace::{self, Step};
use crate::webhook::Webhook;

/// How long to wait when the queue can't take a failed webhook for later.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How one delivery goes on.
enum End {
    /// Done with: ack it.
    Ended(Outcome),
    /// Not processed.
    Failed(ProcessError),
    /// The worker stops: give it back.
    GivenBack,
}

impl Worker {
    /// Processes a batch to the end of every delivery in it.
    pub(super) async fn process(
        &self,
        batch: Vec<Delivery>,
        stop: &CancellationToken,
    ) -> Processed {
        let (since, size) = (trace::since(), batch.len());
        let ends = self.ends(&batch, stop).await;
        let mut done = Vec::with_capacity(batch.len());
        let mut processed = Processed::Ended;
        for (delivery, end) in batch.into_iter().zip(ends) {
            let traced = self.step(&delivery, since, size);
            match end {
                End::Ended(outcome) => {
                    self.tell_end(&delivery, outcome, traced);
                    done.push(delivery);
                }
                End::Failed(error) => {
                    done.extend(self.retry_or_bury(delivery, &error, traced, stop).await);
                }
                End::GivenBack => {
                    processed = Processed::GivenBack;
                    self.tell_given_back(&delivery, traced);
                    drop(delivery);
                }
            }
        }
        self.ack(done).await;
        processed
    }

    /// Buries what the queue gave up.
    pub(super) async fn bury_all(
        &self,
        given_up: Vec<GivenUp>,
        stop: &CancellationToken,
    ) -> Processed {
        let count = given_up.len();
        let mut done = Vec::with_capacity(count);
        for GivenUp { delivery, reason } in given_up {
            let error = ProcessError::GivenUp(reason);
            let traced = self.step(&delivery, None, 1);
            done.extend(self.retry_or_bury(delivery, &error, traced, stop).await);
        }
        let processed = if done.len() == count { Processed::Ended } else { Processed::GivenBack };
        self.ack(done).await;
        processed
    }

    async fn ack(&self, done: Vec<Delivery>) {
        if let Err(error) = self.queue.ack(done).await {
            // They are delivered again, and their receipts show that they are done.
            tracing::warn!(error = &error as &dyn std::error::Error, "can't ack a batch");
        }
    }

    /// How each delivery of a batch goes on, in their order.
    async fn ends(&self, batch: &[Delivery], stop: &CancellationToken) -> Vec<End> {
        let mut ends: Vec<Option<End>> = Vec::with_capacity(batch.len());
        let mut tasks = Vec::with_capacity(batch.len());
        for delivery in batch {
            ends.push(match self.normalize(delivery.webhook()) {
                Ok(normalized) => {
                    tasks.push(Task {
                        webhook: delivery.webhook(),
                        attempts: delivery.attempt(),
                        normalized,
                    });
                    None
                }
                Err(error) => Some(End::Failed(error)),
            });
        }
        let mut applied = self.apply_or_split(&tasks, stop).await.into_iter();
        let end = |end: Option<End>| end.or_else(|| applied.next()).unwrap_or(End::GivenBack);
        ends.into_iter().map(end).collect()
    }

    fn normalize(&self, webhook: &Webhook) -> Result<Normalized, ProcessError> {
        match catch_unwind(AssertUnwindSafe(|| normalize(webhook, &self.rules))) {
            Ok(normalized) => Ok(normalized?),
            Err(_) => Err(ProcessError::Panic),
        }
    }

    /// Applies tasks in one transaction; if they fail for a reason of their own, in two, and so on.
    async fn apply_or_split(&self, tasks: &[Task<'_>], stop: &CancellationToken) -> Vec<End> {
        if tasks.is_empty() {
            return Vec::new();
        }
        match self.apply_or_hold(tasks, stop).await {
            Ok(Some(applied)) => applied.into_iter().map(End::Ended).collect(),
            Ok(None) => tasks.iter().map(|_| End::GivenBack).collect(),
            Err(error) if tasks.len() == 1 => vec![End::Failed(error)],
            Err(_) => {
                let (left, right) = tasks.split_at(tasks.len() / 2);
                let mut ends = Box::pin(self.apply_or_split(left, stop)).await;
                ends.extend(Box::pin(self.apply_or_split(right, stop)).await);
                ends
            }
        }
    }

    /// Applies tasks; none when the database is away too long, or the worker stops meanwhile.
    async fn apply_or_hold(
        &self,
        tasks: &[Task<'_>],
        stop: &CancellationToken,
    ) -> Result<Option<Applied>, ProcessError> {
        let mut hold = Hold::new(self.hold_max);
        loop {
            let started = Instant::now();
            let applied = AssertUnwindSafe(self.store.apply(tasks)).catch_unwind().await;
            let error = match applied {
                Ok(Ok(applied)) => {
                    self.metrics.applied(tasks.len(), started.elapsed());
                    self.report(Dependency::Database, true);
                    return Ok(Some(applied));
                }
                Ok(Err(error)) => ProcessError::from(error),
                Err(_) => ProcessError::Panic,
            };
            if error.verdict() != Verdict::Hold {
                return Err(error);
            }
            self.report(Dependency::Database, false);
            if !hold.wait(&error, stop).await {
                return Ok(None);
            }
        }
    }

    /// Ends a failed delivery. Returns it if it is now a dead letter and is to be acked.
    async fn retry_or_bury(
        &self,
        delivery: Delivery,
        error: &ProcessError,
        traced: Step,
        stop: &CancellationToken,
    ) -> Option<Delivery> {
        let failure = Failure { at_ms: self.clock.now_ms(), error: error.detail() };
        let delay = self.policy.delay(delivery.attempt(), random());
        match delay.filter(|_| error.verdict() == Verdict::Retry) {
            Some(delay) => {
                self.tell_retry(&delivery, error, delay, traced);
                if let Err(error) = self.queue.retry(delivery, failure, delay).await {
                    tracing::warn!(error = &error as &dyn std::error::Error, "can't retry later");
                    // It is here again at once.
                    wait(RETRY_PAUSE, stop).await;
                }
                None
            }
            None => self.bury_or_hold(delivery, failure, error, traced, stop).await,
        }
    }

    /// Writes a dead letter; none when the database is away too long, or the worker stops.
    async fn bury_or_hold(
        &self,
        delivery: Delivery,
        failure: Failure,
        error: &ProcessError,
        traced: Step,
        stop: &CancellationToken,
    ) -> Option<Delivery> {
        let failures: Vec<Failure> = delivery.failures().iter().cloned().chain([failure]).collect();
        let webhook = delivery.webhook();
        let burial = Burial { webhook, failures: &failures, reason: error.reason() };
        let mut hold = Hold::new(self.hold_max);
        loop {
            match self.store.bury(&burial).await {
                Ok(outcome) => {
                    self.tell_burial(&delivery, outcome, error, traced);
                    return Some(delivery);
                }
                // Whatever the reason: a dead letter that can't be written is an outage.
                Err(error) => {
                    self.report(Dependency::Database, false);
                    if !hold.wait(&ProcessError::from(error), stop).await {
                        self.tell_given_back(&delivery, traced);
                        return None;
                    }
                }
            }
        }
    }
}

/// How long deliveries are held while the database is away.
struct Hold {
    outage: Outage,
    until: Instant,
}

impl Hold {
    fn new(hold_max: Duration) -> Self {
        Self { outage: Outage::new(), until: Instant::now() + hold_max }
    }

    /// Waits for the next try. False when it is time to give back, or the worker stops.
    async fn wait(&mut self, error: &ProcessError, stop: &CancellationToken) -> bool {
        let delay = self.outage.next_wait();
        if Instant::now() + delay > self.until {
            tracing::warn!(
                error = error.detail(),
                "the database stays away: webhooks are given back"
            );
            return false;
        }
        if self.outage.is_news() {
            tracing::warn!(
                error = error.detail(),
                retry.delay_ms = millis(delay),
                "the database is away: webhooks wait, no attempt is used"
            );
        }
        wait(delay, stop).await
    }
}

#[expect(clippy::disallowed_methods, reason = "jitter must differ between workers")]
fn random() -> f64 {
    use rand::RngExt;
    rand::rng().random()
}
