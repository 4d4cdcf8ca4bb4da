//! Looking at what waits in the retry queues, and having some of it come now.
//!
//! Called by `rabbitmq.rs` for operators. AMQP can only show what it hands out, so everything that is looked
//! at is in hand meanwhile, unended, and goes back when its channel closes, also if this process dies. Then
//! it is where it was, with its failures and its time.
//!
//! By consumers, not by getting: `status` counts consumers, so while somebody looks, or is stopped in the
//! middle of it, what is in his hands is not taken for missing (`accounting/verdict`).
//!
//! Invariant: a message is ended only after the broker has confirmed a copy of it. The broker counts how
//! often a message went back, and some versions let it go before its time at a limit: before that it is
//! published anew, with the time that is left.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use lapin::message::Delivery as Message;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, Consumer};
use tokio::time::timeout;

use super::consumer_buffer::Shared;
use super::error::BrokerError;
use super::message::{self, Content};
use super::rungs::Rung;
use super::topology::{Address, Place, SUSPECT_AFTER, Topology};
use crate::clock::{Clock, SystemClock};
use crate::queue::{QueueError, WaitingRetry};

/// Messages that a consumer brings and that have not ended, at most: their bodies are in memory until they
/// were looked at. Fewer than a channel of RabbitMQ hands on to a quorum queue unanswered (32,
/// `quorum_commands_soft_limit`): it holds back further acks, and forgets those if the channel closes first.
const WINDOW: u16 = 30;

/// How long the next message may take. What was counted may have gone since.
const NEXT_MAX: Duration = Duration::from_millis(500);

/// A message that went back so often is published anew. RabbitMQ 4 lets go at 20, and leaves the count in the
/// message when its wait is over: in its lane it would look like one that workers died of.
const RETURNS_MAX: u64 = SUSPECT_AFTER - 1;

/// A look at one retry queue; dropped, all goes back that was not ended.
pub(super) struct Look<'a> {
    shared: &'a Shared,
    rung: Rung,
    channel: Channel,
    consumer: Option<Consumer>,
    /// What the present consumer brought and is still in hand.
    kept: u16,
    /// How many waited when it began.
    ready: u64,
    seen: u64,
    chosen: Vec<(Acker, Content)>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) moved: u64,
    pub(super) unseen: u64,
}

impl<'a> Look<'a> {
    /// None where nothing waits.
    pub(super) async fn begin(
        shared: &'a Shared,
        connection: &Connection,
        rung: Rung,
    ) -> Result<Option<Self>, BrokerError> {
        let channel = connection.create_channel().await?;
        let ready = Topology::count(&channel, rung.queue.clone()).await?.ready;
        channel.basic_qos(WINDOW, BasicQosOptions { global: false }).await?;
        let (consumer, kept, seen, chosen) = (None, 0, 0, Vec::new());
        let look = Self { shared, rung, channel, consumer, kept, ready, seen, chosen };
        Ok((ready > 0).then_some(look))
    }

    /// Looks at `count_max` at most, and moves to its lane what `visit` wants.
    pub(super) async fn run(
        mut self,
        count_max: usize,
        mut visit: impl FnMut(WaitingRetry) -> bool,
    ) -> Result<Looked, QueueError> {
        let mut looked = Looked::default();
        let count_max = self.ready.min(count_max as u64);
        while self.seen < count_max
            && let Some(message) = self.next().await?
        {
            let acker = message.acker.clone();
            let content = message::read(message);
            self.seen += 1;
            if visit(waiting(&self.rung, &content)) {
                self.chosen.push((acker, content));
            } else {
                self.keep(acker, &content).await?;
            }
            // With both the present consumer is full.
            if usize::from(self.kept) + self.chosen.len() >= usize::from(WINDOW) {
                looked.moved += self.move_chosen().await?;
            }
        }
        looked.moved += self.move_chosen().await?;
        looked.unseen = self.ready - self.seen;
        // A channel that can't be closed is closed.
        let _ = self.channel.close(200, "looked".into()).await;
        Ok(looked)
    }

    /// The next message, by one more consumer if the present one brings no more.
    async fn next(&mut self) -> Result<Option<Message>, BrokerError> {
        if self.consumer.is_none() || self.kept >= WINDOW {
            self.consumer = Some(self.consume().await?);
            self.kept = 0;
        }
        let Some(consumer) = &mut self.consumer else { return Ok(None) };
        match timeout(NEXT_MAX, consumer.next()).await {
            Ok(Some(message)) => Ok(Some(message?)),
            Ok(None) => Err(BrokerError::Closed),
            Err(_) => Ok(None),
        }
    }

    async fn consume(&self) -> Result<Consumer, BrokerError> {
        let options =
            BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
        let queue = self.rung.queue.clone();
        let consumer = self.channel.basic_consume(queue, "".into(), options, FieldTable::default());
        Ok(consumer.await?)
    }

    /// Leaves it where it is. It stays in hand until the end, or it would come again at once.
    async fn keep(&mut self, acker: Acker, content: &Content) -> Result<(), QueueError> {
        self.kept += 1;
        let Some(due_at_ms) = content.due_at_ms.filter(|_| content.returns >= RETURNS_MAX) else {
            return Ok(());
        };
        let left = due_at_ms.saturating_sub(SystemClock.now_ms()).max(0);
        let wait = Duration::from_millis(left.unsigned_abs());
        let Rung { lane, wait: rung, .. } = self.rung;
        let to = self.shared.topology.rung(lane, rung);
        self.end(acker, content, to, Some(wait)).await?;
        self.kept -= 1;
        Ok(())
    }

    /// Moves what was chosen to its lane; says how many. Goes through all of them, whatever fails.
    async fn move_chosen(&mut self) -> Result<u64, QueueError> {
        let chosen = std::mem::take(&mut self.chosen);
        let lane = self.shared.topology.direct(Place::Lane(self.rung.lane));
        let ends = chosen.iter().map(|(acker, content)| {
            let to = lane.clone();
            self.end(acker.clone(), content, to, None)
        });
        let ended: Vec<()> = join_all(ends).await.into_iter().collect::<Result<_, _>>()?;
        Ok(ended.len() as u64)
    }

    /// If this process dies between the two, there are two of it, with one receipt.
    async fn end(
        &self,
        acker: Acker,
        content: &Content,
        to: Address,
        wait: Option<Duration>,
    ) -> Result<(), QueueError> {
        self.shared.publish(to, &content.webhook, &content.failures, wait).await?;
        acker.ack(BasicAckOptions { multiple: false }).await.map_err(BrokerError::from)?;
        Ok(())
    }
}

fn waiting(rung: &Rung, content: &Content) -> WaitingRetry {
    let Content { webhook, failures, due_at_ms, .. } = content;
    WaitingRetry {
        lane: rung.lane,
        key: webhook.key().clone(),
        receipt: webhook.receipt(),
        received_at_ms: webhook.received_at_ms(),
        due_at_ms: *due_at_ms,
        failures: failures.clone(),
    }
}
