//! Whether the broker takes webhooks, lane by lane, and what the log says of it.
//!
//! Asked by `spool.rs` before each publish, told by it and by `drain`. Invariant: a lane counts as taking
//! webhooks again only once the broker confirmed one of it, or once one of another lane shows that what
//! stood in the way of all is over. An outage is one line when it begins, one a minute while webhooks are
//! tried in vain, and one when all of it is over.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::outage::Outage;
use crate::queue::rabbitmq::Extent;
use crate::queue::{Lane, QueueError};
use crate::telemetry::cause::Causes;

/// The broker takes webhooks of the lane.
const TAKES: u8 = 0;
/// The broker takes nothing.
const BROKER_AWAY: u8 = 1;
/// The lane's queue takes nothing.
const LANE_AWAY: u8 = 2;

/// Which lanes the broker takes webhooks of.
#[derive(Default)]
pub(super) struct Availability {
    lanes: [AtomicU8; Lane::ALL.len()],
    /// Since something is away.
    outage: Mutex<Option<Outage>>,
}

impl Availability {
    /// Whether webhooks of a lane go to the file at once.
    pub(super) fn is_away(&self, lane: Lane) -> bool {
        self.lanes[lane as usize].load(Ordering::Acquire) != TAKES
    }

    /// The broker did not take a webhook, for a reason that is not this webhook's own.
    pub(super) fn failed(&self, lane: Lane, error: &QueueError) {
        let extent = extent(error);
        match extent {
            Extent::Webhook => return,
            Extent::Lane => self.lanes[lane as usize].store(LANE_AWAY, Ordering::Release),
            Extent::Broker => {
                // One that is away for a reason of its own stays so.
                self.turn_all(TAKES, BROKER_AWAY);
            }
        }
        self.log_failure(lane, extent, error);
    }

    /// Those that are `from` become `to`; the others stay.
    fn turn_all(&self, from: u8, to: u8) {
        for lane in &self.lanes {
            let _ = lane.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn log_failure(&self, lane: Lane, extent: Extent, error: &QueueError) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        if outage.get_or_insert_with(Outage::new).is_news() {
            let lane = if extent == Extent::Lane { lane.name() } else { "all" };
            tracing::warn!(
                error = %Causes(error),
                lane,
                "the broker takes no webhooks: they are spooled until it confirms again"
            );
        }
    }

    /// The broker confirmed a webhook.
    pub(super) fn confirmed(&self, lane: Lane) {
        if !self.is_away(lane) {
            return;
        }
        self.lanes[lane as usize].store(TAKES, Ordering::Release);
        // What kept all of them is over.
        self.turn_all(BROKER_AWAY, TAKES);
        if !Lane::ALL.into_iter().any(|lane| self.is_away(lane)) {
            let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
            if outage.take().is_some() {
                tracing::info!("the broker takes webhooks again");
            }
        }
    }
}

/// What an error keeps from being published.
pub(super) fn extent(error: &QueueError) -> Extent {
    match error {
        QueueError::Broker(error) => error.extent(),
        _ => Extent::Broker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::rabbitmq::BrokerError;

    fn away(availability: &Availability) -> Vec<Lane> {
        Lane::ALL.into_iter().filter(|lane| availability.is_away(*lane)).collect()
    }

    #[test]
    fn a_lane_that_takes_nothing_keeps_no_other() {
        let availability = Availability::default();
        availability.failed(Lane::Messages, &BrokerError::NotTaken.into());
        assert_eq!(away(&availability), [Lane::Messages]);
        availability.confirmed(Lane::Calls);
        assert_eq!(away(&availability), [Lane::Messages], "a call says nothing of messages");
        availability.confirmed(Lane::Messages);
        assert!(away(&availability).is_empty());
    }

    #[test]
    fn a_broker_that_is_back_is_back_for_all_but_for_what_is_wrong_with_a_lane() {
        let availability = Availability::default();
        availability.failed(Lane::Messages, &BrokerError::NotTaken.into());
        availability.failed(Lane::Calls, &BrokerError::Closed.into());
        assert_eq!(away(&availability), Lane::ALL);
        availability.confirmed(Lane::Chats);
        assert_eq!(away(&availability), [Lane::Messages]);
    }

    #[test]
    fn what_is_wrong_with_one_webhook_keeps_nothing() {
        let availability = Availability::default();
        availability.failed(Lane::Chats, &BrokerError::TooLarge { bytes_max: 1 }.into());
        assert!(away(&availability).is_empty());
    }
}
