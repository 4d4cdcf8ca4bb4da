//! A batch: normalize each, apply all in one transaction, and end every delivery.
//!
//! A failure that is not an outage splits the batch until the culprit stands alone, so one bad
//! webhook never holds up the others.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::normalize::normalize;
use crate::queue::{Delivery, Failure};
use crate::store::apply::batch::{ApplyTask, BatchOutcomes};
use crate::store::apply::halves::Halves;
use crate::store::apply::outcome::Outcome;
use crate::telemetry::cause::Causes;
use crate::trace::{self, Span};
use crate::webhook::Webhook;
use crate::worker::bury::FailedDelivery;
use crate::worker::error::{ProcessError, Verdict};
use crate::worker::{Processed, Worker, wait};

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
        let since = trace::since();
        let size = batch.len();
        let ends = self.ends(&batch, stop).await;
        let mut done = Vec::with_capacity(batch.len());
        let mut failed = Vec::new();
        let mut processed = Processed::Ended;
        for (delivery, end) in batch.into_iter().zip(ends) {
            let traced = self.step(&delivery, since, size);
            match end {
                End::Ended(outcome) => {
                    self.tell_end(&delivery, outcome, traced);
                    done.push((delivery, outcome));
                }
                End::Failed(error) => {
                    let given_up = self.retry_or_give_up(delivery, error, traced, stop);
                    failed.extend(given_up.await);
                }
                End::GivenBack => {
                    processed = Processed::GivenBack;
                    self.tell_given_back(&delivery, traced);
                    drop(delivery);
                }
            }
        }
        // First, because burying may have to wait for the database.
        self.ack(done).await;
        processed.and(self.bury_together(failed, stop).await)
    }

    /// Acks what was committed, and counts it then: what can't be acked comes again, and ends once more.
    pub(super) async fn ack(&self, done: Vec<(Delivery, Outcome)>) {
        let now_ms = self.clock.now_ms();
        let ends: Vec<(Webhook, Outcome)> =
            done.iter().map(|(delivery, outcome)| (delivery.webhook().clone(), *outcome)).collect();
        let acked = self.queue.ack(done.into_iter().map(|(delivery, _)| delivery).collect()).await;
        for (webhook, outcome) in &ends {
            match acked {
                Ok(()) => self.metrics.ended(webhook, *outcome, now_ms),
                Err(_) => self.metrics.returned(webhook),
            }
        }
        if let Err(error) = acked {
            // Their receipts show that they are done.
            tracing::warn!(error = %Causes(&error), "can't ack a batch");
        }
    }

    /// How each delivery of a batch goes on, in their order.
    async fn ends(&self, batch: &[Delivery], stop: &CancellationToken) -> Vec<End> {
        let mut ends: Vec<Option<End>> = Vec::with_capacity(batch.len());
        let mut tasks = Vec::with_capacity(batch.len());
        for delivery in batch {
            ends.push(match normalize(delivery.webhook(), &self.rules) {
                Ok(normalized) => {
                    tasks.push(ApplyTask {
                        webhook: delivery.webhook(),
                        attempts: delivery.attempt(),
                        normalized,
                    });
                    None
                }
                Err(error) => Some(End::Failed(error.into())),
            });
        }
        let mut applied = self.apply_or_split(&tasks, stop).await.into_iter();
        let end = |end: Option<End>| end.or_else(|| applied.next()).unwrap_or(End::GivenBack);
        ends.into_iter().map(end).collect()
    }

    /// Applies tasks in one transaction; if they fail for a reason of their own, in two, and so on.
    async fn apply_or_split(&self, tasks: &[ApplyTask<'_>], stop: &CancellationToken) -> Vec<End> {
        let mut ends = Vec::with_capacity(tasks.len());
        let mut halves = Halves::of(tasks);
        while let Some(part) = halves.next_part() {
            match self.apply_or_hold(part, stop).await {
                Ok(Some(applied)) => ends.extend(applied.into_iter().map(End::Ended)),
                Ok(None) => ends.extend(part.iter().map(|_| End::GivenBack)),
                Err(error) => ends.extend(halves.split(part).map(|_| End::Failed(error))),
            }
        }
        ends
    }

    /// Applies tasks; none when the database is away too long, or the worker stops meanwhile.
    async fn apply_or_hold(
        &self,
        tasks: &[ApplyTask<'_>],
        stop: &CancellationToken,
    ) -> Result<Option<BatchOutcomes>, ProcessError> {
        let attempt = || async {
            let started = Instant::now();
            let applied = self.store.apply(tasks).await?;
            self.metrics.applied(tasks.len(), started.elapsed());
            Ok(applied)
        };
        self.through_outages(attempt, stop).await
    }

    /// Puts a failed delivery on the ladder. Returns it if it is to be given up.
    async fn retry_or_give_up(
        &self,
        delivery: Delivery,
        error: ProcessError,
        traced: Span,
        stop: &CancellationToken,
    ) -> Option<FailedDelivery> {
        let delay = self.policy.delay(delivery.attempt(), random());
        let Some(delay) = delay.filter(|_| error.verdict() == Verdict::Retry) else {
            return Some(self.failed(delivery, error, traced));
        };
        let failure = Failure { at_ms: self.clock.now_ms(), error: error.detail() };
        self.tell_retry(&delivery, &error, delay, traced);
        self.retry(delivery, failure, delay, stop).await;
        None
    }

    /// Gives a delivery to the queue for later.
    pub(super) async fn retry(
        &self,
        delivery: Delivery,
        failure: Failure,
        delay: Duration,
        stop: &CancellationToken,
    ) {
        if let Err(error) = self.queue.retry(delivery, failure, delay).await {
            tracing::warn!(error = %Causes(&error), "can't retry later");
            // It is here again at once.
            wait(RETRY_PAUSE, stop).await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "jitter must differ between workers")]
pub(super) fn random() -> f64 {
    use rand::RngExt;
    rand::rng().random()
}
