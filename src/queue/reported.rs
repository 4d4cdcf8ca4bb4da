//! A queue that says how each publish went, for `/readyz` and `dependency_up`.
//!
//! Put by `lifecycle` around the embedded queue, and by `spool` around the broker and the file. Invariant: a publish that nobody waited for to its end counts as failed if it was slow, because
//! a disk or a broker that hangs never says no.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    BatchLimit, Delivery, Depth, Failure, GivenUp, Hastened, InFlightCounts, Lane, Queue,
    QueueError, RetryChoice, Retrying,
};
use crate::clock::Clock;
use crate::telemetry::dependency::{Dependencies, Usage};
use crate::webhook::Webhook;

/// Who says how publishing goes, and as what.
#[derive(Clone)]
pub struct PublishReport {
    /// [`Usage::Publish`] or [`Usage::Spool`].
    pub usage: Usage,
    /// Where it says so.
    pub dependencies: Dependencies,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// A publish that is given up after so long hung.
    pub slow_after: Duration,
}

/// A queue that reports.
pub struct ReportedQueue {
    queue: Arc<dyn Queue>,
    report: PublishReport,
}

impl ReportedQueue {
    /// Reports how publishing to `queue` goes.
    pub fn new(queue: Arc<dyn Queue>, report: PublishReport) -> Self {
        Self { queue, report }
    }
}

/// One publish on its way; dropped before its end, it tells whether that took too long.
struct Publishing<'a> {
    report: &'a PublishReport,
    since: Instant,
    is_over: bool,
}

impl<'a> Publishing<'a> {
    fn begin(report: &'a PublishReport) -> Self {
        Self { report, since: Instant::now(), is_over: false }
    }

    fn end(mut self, result: &Result<(), QueueError>) {
        self.is_over = true;
        let PublishReport { usage, dependencies, clock, .. } = self.report;
        dependencies.used(*usage, clock.now_ms(), result);
    }
}

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        let elapsed = self.since.elapsed();
        if self.is_over || elapsed < self.report.slow_after {
            return;
        }
        let PublishReport { usage, dependencies, clock, .. } = self.report;
        let words = format!("no answer within {} ms", elapsed.as_millis());
        dependencies.failed(*usage, clock.now_ms(), &words);
    }
}

#[async_trait]
impl Queue for ReportedQueue {
    fn backend(&self) -> &'static str {
        self.queue.backend()
    }

    async fn publish(&self, webhook: Webhook) -> Result<(), QueueError> {
        let publishing = Publishing::begin(&self.report);
        let published = self.queue.publish(webhook).await;
        publishing.end(&published);
        published
    }

    async fn receive(
        &self,
        lane: Lane,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<Delivery>, QueueError> {
        self.queue.receive(lane, limit, wait).await
    }

    async fn ack(&self, deliveries: Vec<Delivery>) -> Result<(), QueueError> {
        self.queue.ack(deliveries).await
    }

    async fn retry(
        &self,
        delivery: Delivery,
        failure: Failure,
        after: Duration,
    ) -> Result<(), QueueError> {
        self.queue.retry(delivery, failure, after).await
    }

    async fn receive_given_up(
        &self,
        limit: BatchLimit,
        wait: Duration,
    ) -> Result<Vec<GivenUp>, QueueError> {
        self.queue.receive_given_up(limit, wait).await
    }

    async fn retrying(&self, count_max: usize) -> Result<Retrying, QueueError> {
        self.queue.retrying(count_max).await
    }

    async fn retry_now(
        &self,
        choice: RetryChoice,
        count_max: usize,
    ) -> Result<Hastened, QueueError> {
        self.queue.retry_now(choice, count_max).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.queue.depth().await
    }

    async fn in_hand(&self) -> Result<Option<InFlightCounts>, QueueError> {
        self.queue.in_hand().await
    }

    async fn probe(&self) -> Result<(), QueueError> {
        let probing = Publishing::begin(&self.report);
        let probed = self.queue.probe().await;
        probing.end(&probed);
        probed
    }
}
