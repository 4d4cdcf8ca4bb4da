//! What this process has taken from the broker and not ended, for its beat.
//!
//! Called by `rabbitmq.rs`. Invariant: never less than the truth. What the broker has sent may
//! still be on its way, so it is asked something on every channel that receives: its answer comes after
//! whatever it sent there before. What is in hand before or after counts.

use std::time::Duration;

use lapin::options::ChannelFlowOptions;
use tokio::time::timeout;

use super::consume::Consumers;
use super::consumer_buffer::ConsumerBuffer;
use super::error::BrokerError;
use crate::queue::{InFlightCounts, Lane};

/// How long the broker may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What the client library has read is handed over well within this.
const HANDED_OVER: Duration = Duration::from_millis(100);

impl Consumers {
    /// Counts what is in hand, exactly or too high. An error: nobody can tell now.
    pub(super) async fn report_in_hand(&self) -> Result<InFlightCounts, BrokerError> {
        let before = self.count_in_hand();
        let open = self.open_intakes()?;
        for consumer_buffer in &open {
            let answered = timeout(ANSWER_MAX, Self::ask(consumer_buffer)).await;
            answered.unwrap_or(Err(BrokerError::Silent(ANSWER_MAX.as_secs())))?;
        }
        tokio::time::sleep(HANDED_OVER).await;
        let mut in_hand = self.count_in_hand().max(&before);
        in_hand.consumers = open.len() as u64;
        Ok(in_hand)
    }

    /// Says that messages may come, which they do anyway: the broker only answers.
    async fn ask(consumer_buffer: &ConsumerBuffer) -> Result<(), BrokerError> {
        consumer_buffer.flow.channel().channel_flow(ChannelFlowOptions { active: true }).await?;
        Ok(())
    }

    fn count_in_hand(&self) -> InFlightCounts {
        let hands = &self.shared().hands;
        let lanes = Lane::ALL.map(|lane| hands.count(lane).0);
        InFlightCounts { consumers: 0, lanes, given_up: hands.count_given_up() }
    }
}

impl InFlightCounts {
    /// The higher of each count.
    fn max(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.lanes.iter_mut().zip(other.lanes) {
            *mine = theirs.max(*mine);
        }
        self.given_up = self.given_up.max(other.given_up);
        self
    }
}
