//! Brings what was spooled to the broker: oldest first, as soon as it is back, also after a restart.
//!
//! A task of `spool.rs`. What must stay true: a spooled webhook is forgotten only after the broker
//! confirmed it, and while the broker is away only one webhook at a time is tried.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::{Inner, is_refusal};
use crate::outage::Outage;
use crate::queue::{BatchLimit, Delivery, Failure, Lane, Queue, QueueError};
use crate::trace::{Stage, Step};
use crate::webhook::Webhook;

/// Webhooks of a lane on their way at a time.
const WINDOW: usize = 64;

/// How often it looks for what a process that died has left.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long one webhook that the broker refuses is left alone.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// Drains for ever.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut outage = Outage::new();
    loop {
        match round(&inner).await {
            Ok(0) => {
                // Nothing to try the broker with: the next webhook does.
                inner.set_away(false);
                // Either way it looks again.
                let _ = tokio::time::timeout(LOOK_EVERY, inner.news.notified()).await;
            }
            Ok(_) => {
                inner.set_away(false);
                outage = Outage::new();
            }
            Err(error) => {
                let wait = outage.next_wait();
                if outage.is_news() {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        retry.delay_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                        "spooled webhooks wait for the broker"
                    );
                }
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Publishes some of each lane; says how many.
async fn round(inner: &Inner) -> Result<usize, QueueError> {
    let window = BatchLimit::of(if inner.is_away() { 1 } else { WINDOW });
    let mut batch = Vec::new();
    for lane in Lane::ALL {
        batch.extend(inner.file.receive(lane, window, Duration::ZERO).await?);
        if inner.is_away() && !batch.is_empty() {
            break;
        }
    }
    let ends = join_all(batch.iter().map(|one| publish(inner, one.webhook().clone()))).await;
    let mut published = Vec::with_capacity(batch.len());
    let mut failure = None;
    for (delivery, end) in batch.into_iter().zip(ends) {
        match end {
            Ok(()) => {
                let (webhook, now_ms) = (delivery.webhook(), inner.clock.now_ms());
                let lane = Lane::of(webhook.event_type());
                inner.ages.published(lane, webhook.received_at_ms(), now_ms);
                published.push(delivery);
            }
            Err(error) if is_refusal(&error) => leave_alone(inner, delivery, &error).await?,
            // Dropped, it goes back to the spool.
            Err(error) => failure = Some(error),
        }
    }
    let count = published.len();
    inner.file.ack(published).await?;
    failure.map_or(Ok(count), Err)
}

async fn publish(inner: &Inner, webhook: Webhook) -> Result<(), QueueError> {
    let (mut draining, webhook) = Step::begin(Stage::Drain, webhook, None);
    let published = inner.broker.publish(webhook).await;
    published.inspect_err(|error| draining.fail(error.to_string()))
}

async fn leave_alone(
    inner: &Inner,
    delivery: Delivery,
    error: &QueueError,
) -> Result<(), QueueError> {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the broker refuses a spooled webhook; it stays in the spool"
    );
    let failure = Failure { at_ms: inner.clock.now_ms(), error: error.to_string() };
    inner.file.retry(delivery, failure, REFUSED_PAUSE).await
}
