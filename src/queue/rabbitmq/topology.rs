//! Exchanges and queues: their names, their arguments, and declaring them.
//!
//! Declared on every connection, so that what was deleted meanwhile is there again. Arguments must
//! never change: the broker refuses a declaration that differs from what exists.
//!
//! ```text
//! (default exchange) ─▶ waha.{lane}                                    new webhooks, by their lane
//! waha.webhooks (topic, {source}.{event}) ─▶ waha.{lane}               the same with `queue.tap`
//!      └─ no binding ─▶ waha.unknown (fanout) ─▶ waha.chats            new event types
//! waha.retry (direct, {lane}.{ms}) ─▶ waha.retry.{lane}.{ms} ─ expired ─▶ waha.lanes
//! waha.lanes (direct, {lane}) ─▶ waha.{lane}, waha.suspects, waha.probe
//! waha.{lane}, waha.suspects ─ delivery limit ─▶ waha.dead (fanout) ─▶ waha.dead
//! waha.changes (topic, {source}.{session}.{kind}) ─▶ queues of applications (`feed_exchange`)
//! ```
//!
//! The topic exchange and its bindings are there whether or not `queue.tap` is on: doors of an earlier
//! release publish to it while releases overlap, and the setting can be changed at any time. Nothing is
//! ever unbound, because nothing flows through a binding whose exchange nobody publishes to.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use super::arguments::{gives_up, quorum, safely_dead_lettered, table};
use super::error::BrokerError;
use super::message::short;
use super::rungs::Rung;
use crate::queue::Lane;
use crate::webhook::EventType;

/// How often a lane's message may come back before the broker gives it up. Higher than
/// [`SUSPECT_AFTER`], so that it is reached only if nobody can move the message.
pub(super) const LANE_DELIVERY_LIMIT: i32 = 20;

/// A message that came back so often was in hand when processes died: it is processed alone.
pub(super) const SUSPECT_AFTER: u64 = 3;

/// How often a suspect may come back. Nothing else is in hand meanwhile, so it is the cause. One that came back
/// because a connection broke begins anew where that was survived.
pub(super) const SUSPECT_DELIVERY_LIMIT: i32 = 3;

/// "Without limit" has no value that every version takes, and newer ones have a limit of 20.
const NO_DELIVERY_LIMIT: i32 = i32::MAX;

/// A queue that nobody consumes and that keeps its last message only: a quorum queue like the lanes', so
/// that what is published there is confirmed by a majority or not at all.
const PROBE: &str = "probe";

/// How long one is kept, in milliseconds.
const PROBE_TTL_MS: i32 = 1_000;

/// A queue that is consumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A lane's.
    Lane(Lane),
    /// Messages that were in hand when processes died.
    Suspects,
    /// What the broker gave up.
    Dead,
}

impl Place {
    pub(super) const ALL: [Self; 6] = [
        Self::Lane(Lane::Sessions),
        Self::Lane(Lane::Messages),
        Self::Lane(Lane::Calls),
        Self::Lane(Lane::Chats),
        Self::Suspects,
        Self::Dead,
    ];

    /// The place in [`Place::ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Lane(lane) => lane as usize,
            Self::Suspects => 4,
            Self::Dead => 5,
        }
    }

    /// Whose waiting receivers it serves. One worker at a time suffices for suspects.
    pub(super) fn lane(self) -> Option<Lane> {
        match self {
            Self::Lane(lane) => Some(lane),
            Self::Suspects => Some(Lane::Chats),
            Self::Dead => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lane(lane) => lane.name(),
            Self::Suspects => "suspects",
            Self::Dead => "dead",
        }
    }
}

/// The names of one installation.
#[derive(Clone, Debug)]
pub(super) struct Topology {
    prefix: String,
    webhooks: ShortString,
    /// In the order of [`Lane::ALL`].
    lane_queues: [ShortString; Lane::ALL.len()],
    rungs: Vec<Duration>,
    /// Whether new webhooks go through the topic exchange.
    taps: bool,
}

/// Where a message is published to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
}

impl Address {
    /// By the default exchange, which every queue is bound to under its name.
    pub(super) fn of_queue(queue: ShortString) -> Self {
        Self { exchange: ShortString::default(), routing_key: queue }
    }
}

/// What is in a queue.
pub(super) struct QueueCounts {
    /// Messages in nobody's hands.
    pub(super) ready: u64,
    pub(super) consumers: u64,
}

impl Topology {
    pub(super) fn new(prefix: &str, rungs: &[Duration], taps: bool) -> Self {
        let lane_queues = Lane::ALL.map(|lane| named(prefix, lane.name()));
        let webhooks = named(prefix, "webhooks");
        Self { prefix: prefix.to_owned(), webhooks, lane_queues, rungs: rungs.to_vec(), taps }
    }

    pub(super) fn rungs(&self) -> &[Duration] {
        &self.rungs
    }

    fn named(&self, name: &str) -> ShortString {
        named(&self.prefix, name)
    }

    /// Where a new webhook goes: to its lane's queue, or with `queue.tap` to the exchange that others
    /// may bind queues of their own to. Never both.
    pub(super) fn new_webhook(&self, lane: Lane, source: &str, event_type: &str) -> Address {
        if self.taps {
            let routing_key = short(&format!("{source}.{event_type}"));
            return Address { exchange: self.webhooks.clone(), routing_key };
        }
        Address::of_queue(self.lane_queues[lane as usize].clone())
    }

    /// Where something goes that is no webhook, to see whether the broker confirms: on the way of new
    /// webhooks, as far as it has no part that only webhooks may take.
    pub(super) fn probe(&self) -> Address {
        if self.taps {
            return Address { exchange: self.named("lanes"), routing_key: PROBE.into() };
        }
        Address::of_queue(self.probe_queue())
    }

    pub(super) fn probe_queue(&self) -> ShortString {
        self.named(PROBE)
    }

    /// Where a webhook goes that is to be in this place at once.
    pub(super) fn direct(&self, place: Place) -> Address {
        Address { exchange: self.named("lanes"), routing_key: place.name().into() }
    }

    /// Where a webhook of a lane waits.
    pub(super) fn rung(&self, lane: Lane, rung: Duration) -> Address {
        Address { exchange: self.named("retry"), routing_key: short(&rung_key(lane, rung)) }
    }

    pub(super) fn queue(&self, place: Place) -> ShortString {
        self.named(place.name())
    }

    /// The queues in which webhooks of a lane wait for their time.
    pub(super) fn rungs_of(&self, lane: Lane) -> impl Iterator<Item = Rung> {
        self.rungs.iter().map(move |wait| Rung {
            lane,
            wait: *wait,
            queue: self.rung_queue(lane, *wait),
        })
    }

    fn rung_queue(&self, lane: Lane, rung: Duration) -> ShortString {
        self.named(&format!("retry.{}", rung_key(lane, rung)))
    }

    /// Makes what is missing. [`BrokerError::Differs`]: something exists with other arguments.
    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), BrokerError> {
        self.declare_exchanges(channel).await?;
        for place in Place::ALL {
            self.declare_place(channel, place).await?;
        }
        self.declare_probe(channel).await?;
        for event_type in EventType::named() {
            let key = short(&format!("*.{}", event_type.name()));
            let queue = self.queue(Place::Lane(event_type.lane()));
            bind(channel, queue, self.webhooks.clone(), key).await?;
        }
        let chats = self.queue(Place::Lane(Lane::Chats));
        bind(channel, chats, self.named("unknown"), "".into()).await?;
        for lane in Lane::ALL {
            for rung in &self.rungs {
                self.declare_rung(channel, lane, *rung).await?;
            }
        }
        Ok(())
    }

    async fn declare_exchanges(&self, channel: &Channel) -> Result<(), BrokerError> {
        let unknown = AMQPValue::LongString(self.named("unknown").as_str().into());
        for (name, kind, arguments) in [
            ("unknown", ExchangeKind::Fanout, table([])),
            ("webhooks", ExchangeKind::Topic, table([("alternate-exchange", unknown)])),
            ("lanes", ExchangeKind::Direct, table([])),
            ("retry", ExchangeKind::Direct, table([])),
            ("dead", ExchangeKind::Fanout, table([])),
        ] {
            declare_exchange(channel, self.named(name), kind, arguments).await?;
        }
        Ok(())
    }

    async fn declare_place(&self, channel: &Channel, place: Place) -> Result<(), BrokerError> {
        let dead = self.named("dead");
        let (arguments, exchange) = match place {
            Place::Lane(_) => (gives_up(&dead, LANE_DELIVERY_LIMIT), self.named("lanes")),
            Place::Suspects => (gives_up(&dead, SUSPECT_DELIVERY_LIMIT), self.named("lanes")),
            Place::Dead => (quorum([("x-delivery-limit", NO_DELIVERY_LIMIT.into())]), dead),
        };
        declare_queue(channel, self.queue(place), false, arguments).await?;
        bind(channel, self.queue(place), exchange, place.name().into()).await
    }

    async fn declare_probe(&self, channel: &Channel) -> Result<(), BrokerError> {
        let queue = self.probe_queue();
        // Not by a length: where a policy says what a full queue does, it could refuse probes.
        let arguments = quorum([("x-message-ttl", PROBE_TTL_MS.into())]);
        declare_queue(channel, queue.clone(), false, arguments).await?;
        bind(channel, queue, self.named("lanes"), PROBE.into()).await
    }

    async fn declare_rung(
        &self,
        channel: &Channel,
        lane: Lane,
        rung: Duration,
    ) -> Result<(), BrokerError> {
        let back: AMQPValue = AMQPValue::LongString(self.named("lanes").as_str().into());
        let arguments = safely_dead_lettered([
            ("x-dead-letter-exchange", back),
            ("x-dead-letter-routing-key", AMQPValue::LongString(lane.name().into())),
        ]);
        declare_queue(channel, self.rung_queue(lane, rung), false, arguments).await?;
        let key = short(&rung_key(lane, rung));
        bind(channel, self.rung_queue(lane, rung), self.named("retry"), key).await
    }

    /// What is in a queue.
    pub(super) async fn count(
        channel: &Channel,
        queue: ShortString,
    ) -> Result<QueueCounts, BrokerError> {
        declare_queue(channel, queue, true, table([])).await
    }
}

pub(super) fn named(prefix: &str, name: &str) -> ShortString {
    short(&format!("{prefix}waha.{name}"))
}

/// Declares an exchange that survives restarts.
pub(super) async fn declare_exchange(
    channel: &Channel,
    name: ShortString,
    kind: ExchangeKind,
    arguments: FieldTable,
) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions {
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
    };
    Ok(channel.exchange_declare(name, kind, options, arguments).await?)
}

fn rung_key(lane: Lane, rung: Duration) -> String {
    format!("{}.{}", lane.name(), rung.as_millis())
}

async fn declare_queue(
    channel: &Channel,
    name: ShortString,
    passive: bool,
    arguments: FieldTable,
) -> Result<QueueCounts, BrokerError> {
    let options = QueueDeclareOptions {
        passive,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    let queue = channel.queue_declare(name, options, arguments).await?;
    Ok(QueueCounts {
        ready: queue.message_count().into(),
        consumers: queue.consumer_count().into(),
    })
}

async fn bind(
    channel: &Channel,
    queue: ShortString,
    exchange: ShortString,
    key: ShortString,
) -> Result<(), BrokerError> {
    let options = QueueBindOptions { nowait: false };
    Ok(channel.queue_bind(queue, exchange, key, options, table([])).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_has_one_way_and_it_ends_in_its_lane() {
        let [plain, tapped] = [false, true].map(|taps| Topology::new("p.", &[], taps));
        for event_type in EventType::named() {
            let (lane, event_type) = (event_type.lane(), event_type.name());
            let Address { exchange, routing_key } = plain.new_webhook(lane, "shop", event_type);
            assert_eq!((exchange.as_str(), routing_key), ("", plain.queue(Place::Lane(lane))));
            let Address { exchange, routing_key } = tapped.new_webhook(lane, "shop", event_type);
            assert_eq!(exchange.as_str(), "p.waha.webhooks");
            assert_eq!(routing_key.as_str(), format!("shop.{event_type}"));
        }
        assert_eq!(EventType::Other.lane(), Lane::Chats);
    }

    #[test]
    fn workers_are_scaled_by_the_lanes() {
        let manifest = include_str!("../../../deploy/kubernetes/components/broker/scale.yaml");
        let topology = Topology::new("", &[], false);
        for lane in Lane::ALL {
            let queue = format!("queueName: {},", topology.queue(Place::Lane(lane)));
            assert_eq!(manifest.matches(&queue).count(), 1, "{queue}");
        }
        assert_eq!(manifest.matches("queueName:").count(), Lane::ALL.len());
    }

    #[test]
    fn places_know_their_index() {
        assert!(Place::ALL.iter().enumerate().all(|(index, place)| place.index() == index));
    }
}
