//! Burying: what is given up becomes dead letters, together, and then its deliveries are acked.
//!
//! Called by `process` and for what the queue itself gave up. Invariant: a dead letter is a row before
//! its delivery is acked, and whatever arrives ends. A burial that is refused splits its batch until it
//! stands alone; then the least that can be stored of it is; and should that be refused as well, the
//! webhook goes back to the queue for later, so that its lane goes on.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::queue::{Delivery, Failure, GivenUp};
use crate::store::apply::burial::Burial;
use crate::store::apply::halves::Halves;
use crate::store::apply::outcome::Outcome;
use crate::trace::Span;
use crate::worker::error::{ProcessError, Verdict};
use crate::worker::process::random;
use crate::worker::{Processed, Worker};

/// How long a webhook is put off whose dead letter the database refuses in every form.
const PUT_OFF: Duration = Duration::from_hours(1);

/// A delivery that is given up.
pub(super) struct FailedDelivery {
    pub(super) delivery: Delivery,
    pub(super) error: ProcessError,
    /// The attempt that decided.
    pub(super) failure: Failure,
    pub(super) traced: Span,
}

/// How a burial goes on.
enum BurialEnd {
    /// It is a row.
    Buried(Outcome),
    /// Not written for a reason of its own: again after this time.
    PutOff(ProcessError, Duration),
    /// The database is away too long, or the worker stops.
    GivenBack,
}

impl FailedDelivery {
    fn burial(&self) -> Burial {
        let (earlier, last) = (self.delivery.failures(), self.failure.clone());
        let failures = earlier.iter().cloned().chain([last]).collect();
        Burial::new(self.delivery.webhook().clone(), failures, self.error.reason())
    }
}

impl Worker {
    /// Makes dead letters of what failed for good, in one transaction, and acks it.
    pub(super) async fn bury_together(
        &self,
        failed: Vec<FailedDelivery>,
        stop: &CancellationToken,
    ) -> Processed {
        let burials: Vec<Burial> = failed.iter().map(FailedDelivery::burial).collect();
        let ends = self.bury_or_split(&burials, stop).await;
        let mut done = Vec::with_capacity(failed.len());
        let mut processed = Processed::Ended;
        for (failed, end) in failed.into_iter().zip(ends) {
            let FailedDelivery { delivery, error, failure, traced } = failed;
            match end {
                BurialEnd::Buried(outcome) => {
                    self.tell_burial(&delivery, outcome, &error, traced);
                    done.push((delivery, outcome));
                }
                BurialEnd::PutOff(refusal, delay) => {
                    self.tell_refusal(&delivery, &refusal, delay, traced);
                    self.retry(delivery, failure, delay, stop).await;
                }
                BurialEnd::GivenBack => {
                    processed = Processed::GivenBack;
                    self.tell_given_back(&delivery, traced);
                }
            }
        }
        self.ack(done).await;
        processed
    }

    /// Buries what the queue gave up.
    pub(super) async fn bury_given_up(
        &self,
        given_up: Vec<GivenUp>,
        stop: &CancellationToken,
    ) -> Processed {
        let failed = |GivenUp { delivery, reason }| {
            let traced = self.step(&delivery, None, 1);
            self.failed(delivery, ProcessError::GivenUp(reason), traced)
        };
        self.bury_together(given_up.into_iter().map(failed).collect(), stop).await
    }

    pub(super) fn failed(
        &self,
        delivery: Delivery,
        error: ProcessError,
        traced: Span,
    ) -> FailedDelivery {
        let failure = Failure { at_ms: self.clock.now_ms(), error: error.detail() };
        FailedDelivery { delivery, error, failure, traced }
    }

    /// Buries in one transaction; if that is refused for a reason of its own, in two, and so on.
    async fn bury_or_split(&self, burials: &[Burial], stop: &CancellationToken) -> Vec<BurialEnd> {
        let mut ends = Vec::with_capacity(burials.len());
        let mut halves = Halves::of(burials);
        while let Some(part) = halves.next_part() {
            match self.through_outages(|| self.store.bury(part), stop).await {
                Ok(Some(outcomes)) => ends.extend(outcomes.into_iter().map(BurialEnd::Buried)),
                Ok(None) => ends.extend(part.iter().map(|_| BurialEnd::GivenBack)),
                Err(refusal) => {
                    if let Some(burial) = halves.split(part) {
                        ends.push(self.bury_refused(burial, refusal, stop).await);
                    }
                }
            }
        }
        ends
    }

    /// One that is refused as it is. What may pass by itself is tried again up the ladder first.
    async fn bury_refused(
        &self,
        burial: &Burial,
        refusal: ProcessError,
        stop: &CancellationToken,
    ) -> BurialEnd {
        let delay = self.policy.delay(burial.attempts(), random());
        if let Some(delay) = delay.filter(|_| refusal.verdict() == Verdict::Retry) {
            return BurialEnd::PutOff(refusal, delay);
        }
        let Some(least) = burial.least(&refusal.detail(), self.clock.now_ms()) else {
            return BurialEnd::PutOff(refusal, PUT_OFF);
        };
        let least = [least];
        match self.through_outages(|| self.store.bury(&least), stop).await {
            Ok(Some(outcomes)) => {
                outcomes.into_iter().next().map_or(BurialEnd::GivenBack, BurialEnd::Buried)
            }
            Ok(None) => BurialEnd::GivenBack,
            Err(refusal) => BurialEnd::PutOff(refusal, PUT_OFF),
        }
    }
}
