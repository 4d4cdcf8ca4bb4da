//! Brings what was spooled to the broker: oldest first, as soon as it is back, also after a restart.
//!
//! Tasks of `spool.rs`, one for each lane, so that a lane whose queue takes nothing holds up no other.
//! Invariant: a spooled webhook is forgotten only after the broker confirmed it, and while a
//! lane is away only one webhook of it at a time is tried.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::Inner;
use super::availability::extent;
use crate::outage::Outage;
use crate::queue::rabbitmq::Extent;
use crate::queue::{BatchLimit, Delivery, Failure, Lane, Queue, QueueError};
use crate::telemetry::cause::Causes;
use crate::trace::{Span, SpanName};
use crate::webhook::Webhook;

/// Webhooks of a lane on their way at a time.
const WINDOW: usize = 64;

/// How often it looks for what a process that died has left.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one webhook that the broker refuses is left alone.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// Drains for ever.
pub(super) async fn run(inner: Arc<Inner>) {
    join_all(Lane::ALL.map(|lane| drain(&inner, lane))).await;
}

/// How a round ended, if the file worked.
enum Round {
    /// Nothing is spooled.
    Idle,
    /// Something got to the broker.
    Drained,
    /// The broker took something not, for a reason that is no webhook's own.
    Failed(QueueError),
}

async fn drain(inner: &Inner, lane: Lane) {
    let mut outage = Outage::new();
    loop {
        match round(inner, lane).await {
            Ok(Round::Idle) => {
                // Either way it looks again.
                let news = inner.news[lane as usize].notified();
                let _ = tokio::time::timeout(LOOK_EVERY, news).await;
            }
            Ok(Round::Drained) => outage = Outage::new(),
            Ok(Round::Failed(error)) => {
                inner.availability.failed(lane, &error);
                tokio::time::sleep(outage.next_wait()).await;
            }
            Err(error) => {
                let wait = outage.next_wait();
                if outage.is_news() {
                    tracing::warn!(
                        error = %Causes(&error),
                        lane = lane.name(),
                        "spooled webhooks can't be read yet"
                    );
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Publishes some of a lane. An error is the file's.
async fn round(inner: &Inner, lane: Lane) -> Result<Round, QueueError> {
    let window = BatchLimit::of(if inner.availability.is_away(lane) { 1 } else { WINDOW });
    let batch = inner.file.receive(lane, window, Duration::ZERO).await?;
    if batch.is_empty() {
        return Ok(Round::Idle);
    }
    let ends = join_all(batch.iter().map(|one| publish(inner, one.webhook().clone()))).await;
    let mut published = Vec::with_capacity(batch.len());
    let mut round = Round::Drained;
    for (delivery, end) in batch.into_iter().zip(ends) {
        match end {
            Ok(()) => {
                let received_at_ms = delivery.webhook().received_at_ms();
                inner.ages.published(lane, received_at_ms, inner.clock.now_ms());
                published.push(delivery);
            }
            Err(error) if extent(&error) == Extent::Webhook => {
                leave_alone(inner, delivery, &error).await?;
            }
            // Dropped, it goes back to the spool.
            Err(error) => round = Round::Failed(error),
        }
    }
    if !published.is_empty() && matches!(round, Round::Drained) {
        inner.availability.confirmed(lane);
    }
    inner.file.ack(published).await?;
    Ok(round)
}

async fn publish(inner: &Inner, webhook: Webhook) -> Result<(), QueueError> {
    let (mut draining, webhook) = Span::begin(SpanName::Drain, webhook, None);
    let published = inner.broker.publish(webhook).await;
    published.inspect_err(|error| draining.fail(error.to_string()))
}

async fn leave_alone(
    inner: &Inner,
    delivery: Delivery,
    error: &QueueError,
) -> Result<(), QueueError> {
    tracing::error!(
        error = %Causes(error),
        "the broker refuses a spooled webhook; it stays in the spool"
    );
    let failure = Failure { at_ms: inner.clock.now_ms(), error: error.to_string() };
    inner.file.retry(delivery, failure, REFUSED_PAUSE).await
}
