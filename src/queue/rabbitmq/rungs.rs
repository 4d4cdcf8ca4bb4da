//! Retry queues that let nothing go. A quorum queue expires messages at its head only, so a message of
//! somebody else's that has no expiration, or a longer one than our waits, keeps all behind it for ever.
//!
//! Called by `rabbitmq.rs` with each count, which the observer takes every few seconds. The queues can't
//! bound it themselves: those that exist were declared without a limit, and arguments must not change.
//! Invariant: a message is acked only after the lane's queue has confirmed it. If this process
//! dies in between there are two, with one receipt.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Connection};
use tokio::time::Instant;

use super::consumer_buffer::Shared;
use super::error::BrokerError;
use super::lock::Lock;
use super::message::{self, Content};
use super::retry;
use super::topology::Place;
use crate::queue::{Lane, QueueError};
use crate::telemetry::cause::Causes;

/// How much later than due something may leave a queue, before its head is looked at.
const LATE_MAX: Duration = Duration::from_secs(5);

/// Messages that are moved at a time, at most; the next count goes on.
const MOVED_MAX: usize = 500;

/// The retry queue of a lane for waits of about one length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rung {
    pub(super) lane: Lane,
    pub(super) wait: Duration,
    pub(super) queue: ShortString,
}

impl Rung {
    /// Whether the broker lets a message go by itself, not later than any of ours.
    fn is_in_time(&self, properties: &BasicProperties) -> bool {
        let expiration = properties.expiration().as_ref();
        let ms = expiration.and_then(|text| text.as_str().parse().ok());
        ms.is_some_and(|ms| Duration::from_millis(ms) <= retry::longest(self.wait))
    }
}

/// What was seen of the rungs.
#[derive(Default)]
pub(super) struct Rungs {
    seen: Lock<HashMap<Rung, Seen>>,
    /// Held while a head is looked at.
    looking: Arc<tokio::sync::Mutex<()>>,
}

/// How many waited in a rung, and since when they did not become fewer.
#[derive(Clone, Copy)]
struct Seen {
    ready: u64,
    since: Instant,
}

impl Rungs {
    /// Takes note of how many wait. Says for how long nothing has been seen to leave beyond the longest
    /// wait: that may be so because as many came, so who looks at the head knows more.
    pub(super) fn note(&self, rung: &Rung, ready: u64) -> Duration {
        let now = Instant::now();
        let since = self.seen.with(|seen| {
            let before = seen.get(rung).filter(|before| ready > 0 && ready >= before.ready);
            let since = before.map_or(now, |before| before.since);
            seen.insert(rung.clone(), Seen { ready, since });
            since
        });
        (now - since).saturating_sub(retry::longest(rung.wait))
    }

    /// Looks at the head if something is late, and moves it to its lane if it would never go. In a task:
    /// nobody has to wait for that.
    pub(super) fn free(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        connection: Arc<Connection>,
        rung: Rung,
        late: Duration,
    ) {
        if late < LATE_MAX {
            return;
        }
        let Ok(looking) = Arc::clone(&self.looking).try_lock_owned() else { return };
        let (rungs, shared) = (Arc::clone(self), Arc::clone(shared));
        tokio::spawn(async move {
            match free(&shared, &connection, &rung).await {
                Ok(moved) => {
                    rungs.seen.with(|seen| seen.remove(&rung));
                    tell(&rung, moved);
                }
                Err(error) => tracing::warn!(
                    error = %Causes(&error),
                    queue = rung.queue.as_str(),
                    "nothing leaves a retry queue, and its head can't be looked at"
                ),
            }
            drop(looking);
        });
    }
}

fn tell(rung: &Rung, moved: usize) {
    if moved > 0 {
        tracing::warn!(
            messages.count = moved,
            queue = rung.queue.as_str(),
            "somebody else's messages without our expiration held up a retry queue: they are processed now"
        );
    }
}

/// Moves what is at the head to the lane until the head is in time; says how many.
async fn free(shared: &Shared, connection: &Connection, rung: &Rung) -> Result<usize, QueueError> {
    let channel = connection.create_channel().await.map_err(BrokerError::from)?;
    let mut moved = 0;
    while moved < MOVED_MAX
        && let Some(head) = head(&channel, rung).await.map_err(BrokerError::from)?
    {
        let BasicGetMessage { delivery, .. } = head;
        if rung.is_in_time(&delivery.properties) {
            let options = BasicNackOptions { multiple: false, requeue: true };
            delivery.acker.nack(options).await.map_err(BrokerError::from)?;
            break;
        }
        let acker = delivery.acker.clone();
        let Content { webhook, failures, .. } = message::read(delivery);
        // On an error the head goes back with the channel.
        shared.publish_to(Place::Lane(rung.lane), &webhook, &failures).await?;
        acker.ack(BasicAckOptions { multiple: false }).await.map_err(BrokerError::from)?;
        moved += 1;
    }
    // A channel that can't be closed is closed.
    let _ = channel.close(200, "looked".into()).await;
    Ok(moved)
}

async fn head(channel: &Channel, rung: &Rung) -> lapin::Result<Option<BasicGetMessage>> {
    channel.basic_get(rung.queue.clone(), BasicGetOptions { no_ack: false }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rung() -> Rung {
        let wait = Duration::from_secs(5);
        Rung { lane: Lane::Messages, wait, queue: "waha.retry.messages.5000".into() }
    }

    #[test]
    fn ours_are_in_time_and_what_would_stay_is_not() {
        let of = |ms: &str| BasicProperties::default().with_expiration(ms.into());
        assert!(["0", "5000", "6250"].iter().all(|ms| rung().is_in_time(&of(ms))));
        assert!(!["6251", "86400000", "", "x"].iter().any(|ms| rung().is_in_time(&of(ms))));
        assert!(!rung().is_in_time(&BasicProperties::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_becomes_fewer_is_not_late() {
        let (rungs, rung) = (Rungs::default(), rung());
        let after = async |seconds| tokio::time::advance(Duration::from_secs(seconds)).await;
        assert_eq!(rungs.note(&rung, 3), Duration::ZERO);
        after(10).await;
        assert_eq!(rungs.note(&rung, 4), Duration::from_millis(3750));
        assert_eq!(rungs.note(&rung, 2), Duration::ZERO);
        after(10).await;
        assert_eq!(rungs.note(&rung, 0), Duration::ZERO);
        assert_eq!(rungs.note(&rung, 1), Duration::ZERO);
    }
}
