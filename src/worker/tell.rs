//! What the worker tells about a delivery: a line in the log, within its span, a step in its trace, and
//! a count; what ends is counted once it is acked.
//!
//! Called by `process`, once per attempt, at its end. One line per problem: a delivery that ends well
//! is told at debug level only.

use std::time::{Duration, SystemTime};

use crate::queue::Delivery;
use crate::store::apply::outcome::Outcome;
use crate::telemetry::span;
use crate::trace::{Span, SpanName};
use crate::worker::Worker;
use crate::worker::error::ProcessError;

impl Worker {
    /// The span of lines about a delivery.
    fn span(&self, delivery: &Delivery) -> tracing::Span {
        let span = span::of_webhook(delivery.webhook(), self.queue.backend());
        span.record("delivery.attempt", delivery.attempt());
        span
    }

    /// The step of one delivery of a batch that was begun at `since`.
    pub(super) fn step(
        &self,
        delivery: &Delivery,
        since: Option<SystemTime>,
        batch_size: usize,
    ) -> Span {
        let mut step = Span::beside(SpanName::Apply, delivery.webhook(), since);
        step.set("queue.backend", self.queue.backend());
        step.set("delivery.attempt", i64::from(delivery.attempt()));
        step.set("batch.size", i64::try_from(batch_size).unwrap_or(i64::MAX));
        step
    }

    pub(super) fn tell_end(&self, delivery: &Delivery, outcome: Outcome, mut step: Span) {
        step.set("outcome", outcome.name());
        if let Some(reason) = outcome.reason() {
            step.set("reason", reason);
        }
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let _span = self.span(delivery).entered();
        tracing::debug!(outcome = outcome.name(), reason = outcome.reason(), "webhook ended");
    }

    pub(super) fn tell_retry(
        &self,
        delivery: &Delivery,
        error: &ProcessError,
        delay: Duration,
        mut step: Span,
    ) {
        self.metrics.retried(delivery.webhook());
        step.set("outcome", "retried");
        step.set("reason", error.reason());
        step.fail(error.detail());
        let _span = self.span(delivery).entered();
        tracing::warn!(
            reason = error.reason(),
            error = error.detail(),
            retry.delay_ms = millis(delay),
            "webhook failed, trying again later"
        );
    }

    pub(super) fn tell_burial(
        &self,
        delivery: &Delivery,
        outcome: Outcome,
        error: &ProcessError,
        mut step: Span,
    ) {
        let reason = outcome.reason().unwrap_or_else(|| error.reason());
        step.set("outcome", outcome.name());
        step.set("reason", reason);
        step.fail(error.detail());
        let _span = self.span(delivery).entered();
        tracing::error!(
            outcome = outcome.name(),
            reason,
            error = error.detail(),
            "webhook is a dead letter"
        );
    }

    /// A dead letter is refused, and its webhook put off.
    pub(super) fn tell_refusal(
        &self,
        delivery: &Delivery,
        refusal: &ProcessError,
        delay: Duration,
        mut step: Span,
    ) {
        self.metrics.retried(delivery.webhook());
        step.set("outcome", "retried");
        step.set("reason", refusal.reason());
        step.fail(refusal.detail());
        let _span = self.span(delivery).entered();
        tracing::error!(
            reason = refusal.reason(),
            error = refusal.detail(),
            retry.delay_ms = millis(delay),
            "a dead letter can't be stored: its webhook waits in the queue, others go on"
        );
    }

    /// A delivery goes back to its queue, with no attempt used.
    pub(super) fn tell_given_back(&self, delivery: &Delivery, mut step: Span) {
        self.metrics.returned(delivery.webhook());
        step.set("outcome", "given_back");
    }
}

/// A duration as logged.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
