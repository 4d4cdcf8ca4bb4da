//! What comes in: taken into this process' hands, handed out, and given back if it is dropped.
//!
//! Used by `consume` and `pump`. Invariant: whatever comes in is in [`InFlightMessages`] until it is
//! ended, given back or lost with its channel.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lapin::message::Delivery as Message;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::ack_channel::{AckChannel, Room};
use super::connection::Reconnecting;
use super::in_flight::{InFlightMessage, InFlightMessages};
use super::lock::Lock;
use super::message::{self, Content};
use super::publish::Publisher;
use super::topology::{Place, SUSPECT_AFTER, Topology};
use crate::outage::Outage;
use crate::queue::{BatchLimit, Delivery, Lane, Tag};
use crate::telemetry::cause::Causes;

/// What the tasks need.
pub(super) struct Shared {
    pub(super) topology: Topology,
    pub(super) publisher: Reconnecting<Publisher>,
    pub(super) hands: InFlightMessages,
    /// Where deliveries say that they were dropped.
    returns: UnboundedSender<Tag>,
    /// One for each lane, and one for what the broker gave up.
    bells: [Notify; Lane::ALL.len() + 1],
}

/// What came in and nobody took yet.
pub(super) struct ConsumerBuffer {
    pub(super) flow: Arc<AckChannel>,
    waiting: Lock<VecDeque<Received>>,
    is_over: AtomicBool,
    /// Whether it is to bring nothing more, though what is in hand may be finished.
    retires: watch::Sender<bool>,
    /// Since when the broker has something for it and does not bring it.
    deaf_since: Lock<Option<Instant>>,
}

/// A delivery and, if it comes from there, why the broker gave it up.
pub(super) type Received = (Delivery, Option<&'static str>);

impl ConsumerBuffer {
    pub(super) fn new(flow: AckChannel) -> Self {
        Self {
            flow: Arc::new(flow),
            waiting: Lock::default(),
            is_over: AtomicBool::new(false),
            retires: watch::Sender::new(false),
            deaf_since: Lock::default(),
        }
    }

    /// Has it bring nothing more. What is in hand is finished on its channel.
    pub(super) fn begin_to_retire(&self) {
        self.retires.send_replace(true);
    }

    pub(super) fn is_retiring(&self) -> bool {
        *self.retires.borrow()
    }

    /// Waits until it is to retire.
    pub(super) async fn retires(&self) {
        // The sender is its own.
        let _ = self.retires.subscribe().wait_for(|retires| *retires).await;
    }

    /// Notes that something waits on the broker. Says whether that was so for `deaf_after`, and nothing
    /// came, though nothing is in hand.
    pub(super) fn is_deaf(&self, deaf_after: Duration) -> bool {
        let is_empty = self.flow.is_empty();
        self.deaf_since.with(|since| {
            let began = since.filter(|_| is_empty);
            *since = is_empty.then(|| began.unwrap_or_else(Instant::now));
            began.is_some_and(|began| began.elapsed() >= deaf_after)
        })
    }

    /// Nothing waits on the broker, or something came.
    pub(super) fn hears(&self) {
        self.deaf_since.with(|since| *since = None);
    }

    /// Whether nothing more can come in.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub(super) fn take(&self, limit: BatchLimit) -> Vec<Received> {
        self.waiting.with(|waiting| {
            let sizes = waiting.iter().map(|(delivery, _)| delivery.webhook().body().len() as u64);
            let count = limit.count_of(sizes);
            waiting.drain(..count).collect()
        })
    }
}

impl Shared {
    pub(super) fn new(
        topology: Topology,
        publisher: Reconnecting<Publisher>,
        returns: UnboundedSender<Tag>,
    ) -> Self {
        let (hands, bells) = (InFlightMessages::default(), Default::default());
        Self { topology, publisher, hands, returns, bells }
    }

    /// Rings when something comes in at a place.
    pub(super) fn bell(&self, place: Place) -> &Notify {
        &self.bells[place.lane().map_or(Lane::ALL.len(), |lane| lane as usize)]
    }

    /// Takes a message into this process' hands.
    pub(super) fn take_in(self: &Arc<Self>, consumer_buffer: &ConsumerBuffer, message: Message) {
        let broker_tag = message.delivery_tag;
        consumer_buffer.flow.came_in(broker_tag);
        consumer_buffer.hears();
        let content = message::read(message);
        let place = consumer_buffer.flow.place();
        if let Some(to) = self.belongs_to(place, &content) {
            let shared = Arc::clone(self);
            let flow = Arc::clone(&consumer_buffer.flow);
            tokio::spawn(async move { shared.move_to(to, &flow, broker_tag, &content).await });
            return;
        }
        let Content { webhook, failures, given_up, returns, due_at_ms: _ } = content;
        let is_copied = match place {
            Place::Lane(_) => returns > 0,
            Place::Suspects => true,
            Place::Dead => false,
        };
        let copy = is_copied.then(|| (webhook.clone(), failures.clone()));
        let received_at_ms = webhook.received_at_ms();
        let room = Room::take(Arc::clone(&consumer_buffer.flow), webhook.body().len() as u64);
        let receipt = webhook.receipt();
        let hand = InFlightMessage { broker_tag, receipt, received_at_ms, room, copy };
        let delivery =
            Delivery::new(webhook, failures, self.hands.take(hand), self.returns.clone());
        consumer_buffer.waiting.with(|waiting| waiting.push_back((delivery, given_up)));
        self.bell(place).notify_waiters();
    }

    /// Where a message has to be published anew because of how often it came back: to where it is processed
    /// alone, or, with its count at zero, to where it is, if it came back because a connection broke. An outage
    /// of the broker is no webhook's fault.
    fn belongs_to(&self, place: Place, content: &Content) -> Option<Place> {
        let returns_max = match place {
            Place::Lane(_) => SUSPECT_AFTER,
            Place::Suspects => 1,
            Place::Dead => return None,
        };
        if content.returns < returns_max {
            return None;
        }
        if self.hands.survived(content.webhook.receipt()) {
            return Some(place);
        }
        matches!(place, Place::Lane(_)).then_some(Place::Suspects)
    }

    /// Publishes a message to where it belongs and ends it where it was. Tries until it is confirmed: given back
    /// it would come again at once, and the broker would count that. Until the channel breaks, by which it is
    /// lost like anything in hand.
    async fn move_to(&self, to: Place, flow: &AckChannel, broker_tag: u64, content: &Content) {
        let mut outage = Outage::new();
        while let Err(error) = self.publish_to(to, &content.webhook, &content.failures).await {
            if !flow.channel().status().connected() {
                return self.hands.remember_lost(content.webhook.receipt());
            }
            let wait = outage.next_wait();
            if outage.is_news() {
                tracing::warn!(
                    error = %Causes(&error),
                    "a webhook that came back several times could not be set apart yet"
                );
            }
            tokio::time::sleep(wait).await;
        }
        if !flow.channel().status().connected() {
            self.hands.remember_lost(content.webhook.receipt());
        }
        flow.ack(vec![broker_tag]).await;
    }

    /// Gives a dropped delivery back. Only the first time by a requeue: the broker counts those as
    /// if a worker had died. Published anew its count begins at zero.
    async fn return_hand(&self, hand: InFlightMessage) {
        if let Some((webhook, failures)) = &hand.copy
            && self.publish_to(hand.flow().place(), webhook, failures).await.is_ok()
        {
            return hand.flow().ack(vec![hand.broker_tag]).await;
        }
        hand.flow().give_back(&[hand.broker_tag]).await;
    }

    /// Gives back what nobody took. Closing the channel would do that too, but the broker would count
    /// it as a worker's death.
    pub(super) async fn return_waiting(&self, consumer_buffer: &ConsumerBuffer) {
        for (delivery, _) in consumer_buffer.waiting.with(std::mem::take) {
            if let Some(hand) = self.hands.remove(delivery.end().0) {
                self.return_hand(hand).await;
            }
        }
    }

    /// A consumer brings nothing more: gives back what nobody took; what was taken may be finished.
    pub(super) async fn retire(&self, consumer_buffer: &ConsumerBuffer) {
        self.return_waiting(consumer_buffer).await;
        consumer_buffer.is_over.store(true, Ordering::Release);
        self.bell(consumer_buffer.flow.place()).notify_waiters();
    }

    /// A consumer is over: what it brought is not in our hands any more.
    pub(super) fn lose(&self, consumer_buffer: &ConsumerBuffer) {
        consumer_buffer.is_over.store(true, Ordering::Release);
        self.hands.lose(&consumer_buffer.flow);
        consumer_buffer.waiting.with(VecDeque::clear);
        self.bell(consumer_buffer.flow.place()).notify_waiters();
    }
}

/// Gives back what is dropped.
pub(super) async fn give_back(shared: Arc<Shared>, mut returned: UnboundedReceiver<Tag>) {
    while let Some(tag) = returned.recv().await {
        if let Some(hand) = shared.hands.remove(tag) {
            shared.return_hand(hand).await;
        }
    }
}
