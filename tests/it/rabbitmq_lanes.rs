//! Webhooks wait in the queues of their lanes, whichever release or setting published them, and stay
//! there or in the spool whatever becomes of the queues.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind,
};
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::task::JoinSet;
use waha_ingest::clock::SystemClock;
use waha_ingest::queue::rabbitmq::{BrokerError, Options, RabbitmqQueue};
use waha_ingest::queue::spool::Spool;
use waha_ingest::queue::{BatchLimit, Delivery, Lane, Queue, QueueError, sqlite};
use waha_ingest::telemetry::dependency::Dependencies;
use waha_ingest::webhook::{EventType, Webhook};

use crate::rabbitmq_node::{Node, message, of_type, options};
use crate::wait::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);
/// How many publish at once while a queue is deleted.
const PUBLISHERS: usize = 8;
/// How many the spool's drain publishes at once.
const DRAINED: usize = 64;
/// How often the queue is deleted under load.
const DELETIONS: usize = 20;
/// How many the witness acks at once. What it did not ack comes again, which makes no difference.
const ACKED: u64 = 64;

#[tokio::test(flavor = "multi_thread")]
async fn every_event_type_waits_in_its_lane() {
    every_event_type(options()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_type_waits_in_its_lane_with_tap() {
    every_event_type(Options { taps: true, ..options() }).await;
}

async fn every_event_type(options: Options) {
    let queue = RabbitmqQueue::open(options);
    let types = event_types();
    for event_type in &types {
        queue.publish(of_type(event_type, event_type)).await.expect("publish");
    }
    assert_eq!(received_by_lane(&queue, types.len()).await, expected_by_lane(&types));
    let survey = queue.survey().await.expect("a survey");
    assert_eq!((survey.depth.total(), survey.given_up), (0, 0), "no lane has another one's");
}

/// All that have a name, and one that nobody knows.
fn event_types() -> Vec<&'static str> {
    EventType::names().chain(["some.new.event"]).collect()
}

/// What WAHA's event types are about; written down here, so that a slip in the table shows.
fn expected_by_lane(types: &[&str]) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut lanes: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for event_type in types {
        let family = event_type.split('.').next().expect("a name");
        let lane = match family {
            "session" => "sessions",
            "message" | "poll" | "event" => "messages",
            "call" => "calls",
            _ => "chats",
        };
        lanes.entry(lane).or_default().insert((*event_type).to_owned());
    }
    lanes
}

/// What each lane brings, until so many came.
async fn received_by_lane(
    queue: &RabbitmqQueue,
    count: usize,
) -> BTreeMap<&'static str, BTreeSet<String>> {
    let received = RefCell::new(BTreeMap::<&'static str, BTreeSet<String>>::new());
    wait_for("all of them", PATIENCE, || async {
        for lane in Lane::ALL {
            let wait = Duration::from_millis(50);
            let batch = receive(queue, lane, wait).await;
            let ids = batch.iter().map(|one| one.webhook().key().id.clone());
            if !batch.is_empty() {
                received.borrow_mut().entry(lane.name()).or_default().extend(ids);
            }
            queue.ack(batch).await.expect("ack");
        }
        let total: usize = received.borrow().values().map(BTreeSet::len).sum();
        (total >= count).then_some(())
    })
    .await;
    received.into_inner()
}

async fn receive(queue: &RabbitmqQueue, lane: Lane, wait: Duration) -> Vec<Delivery> {
    queue.receive(lane, BatchLimit::of(100), wait).await.unwrap_or_default()
}

/// Doors of the release before publish to the topic exchange, and four of its bindings lead elsewhere
/// than the lanes of today. They publish before, while and after a worker of this release comes.
#[tokio::test(flavor = "multi_thread")]
async fn doors_of_both_releases_are_consumed_at_once() {
    let options = options();
    let old = OldRelease::start(&options).await;
    let types = event_types();
    for event_type in &types {
        old.publish(event_type, &format!("before {event_type}")).await;
    }
    let queue = RabbitmqQueue::open(options.clone());
    for event_type in &types {
        queue.publish(of_type(event_type, &format!("new {event_type}"))).await.expect("publish");
        old.publish(event_type, &format!("beside {event_type}")).await;
    }
    // A restart of the old one declares what it knows; nothing of it differs.
    let old = OldRelease::start(&options).await;
    for event_type in &types {
        old.publish(event_type, &format!("after {event_type}")).await;
    }
    let received = received_by_lane(&queue, types.len() * 4).await;
    let ids: BTreeSet<&str> = received.values().flatten().map(String::as_str).collect();
    for time in ["before", "new", "beside", "after"] {
        for event_type in &types {
            let id = format!("{time} {event_type}");
            assert!(ids.contains(&*id), "{id} is lost");
        }
    }
    let depth = queue.survey().await.expect("a survey");
    assert_eq!((depth.depth.total(), depth.given_up), (0, 0));
}

/// What a door of the release before does: its exchange, queues and bindings, and how it publishes.
struct OldRelease {
    _connection: Connection,
    channel: Channel,
    prefix: String,
}

impl OldRelease {
    async fn start(options: &Options) -> Self {
        let (connection, channel) = connect(options).await.expect("a broker");
        let old = Self { _connection: connection, channel, prefix: options.prefix.clone() };
        old.declare().await;
        old
    }

    fn name(&self, name: &str) -> ShortString {
        format!("{}waha.{name}", self.prefix).into()
    }

    async fn declare(&self) {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let text = |text: ShortString| AMQPValue::LongString(text.as_str().into());
        let unknown = table(&[("alternate-exchange", text(self.name("unknown")))]);
        for (name, kind, arguments) in [
            ("unknown", ExchangeKind::Fanout, FieldTable::default()),
            ("webhooks", ExchangeKind::Topic, unknown),
            ("lanes", ExchangeKind::Direct, FieldTable::default()),
        ] {
            self.channel
                .exchange_declare(self.name(name), kind, durable, arguments)
                .await
                .expect("an exchange as it is");
        }
        let arguments = lane_arguments(&self.prefix);
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        for lane in Lane::ALL {
            let declared =
                self.channel.queue_declare(self.name(lane.name()), durable, arguments.clone());
            declared.await.expect("a queue as it is");
            self.bind(lane.name(), "lanes", lane.name()).await;
        }
        for (event_type, lane) in [
            ("session.status", "sessions"),
            ("message", "messages"),
            ("message.any", "messages"),
            ("message.ack", "messages"),
            ("message.ack.group", "messages"),
            ("call.received", "calls"),
            ("call.accepted", "calls"),
            ("call.rejected", "calls"),
        ] {
            self.bind(lane, "webhooks", &format!("*.{event_type}")).await;
        }
        self.bind("chats", "unknown", "").await;
        let confirms = ConfirmSelectOptions { nowait: false };
        self.channel.confirm_select(confirms).await.expect("confirms");
    }

    async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let (queue, exchange) = (self.name(queue), self.name(exchange));
        let options = QueueBindOptions { nowait: false };
        let bound =
            self.channel.queue_bind(queue, exchange, key.into(), options, FieldTable::default());
        bound.await.expect("a binding");
    }

    async fn publish(&self, event_type: &str, id: &str) {
        let about = json!([["default", "shop", event_type, id], 7, [1, 1], false]).to_string();
        let properties =
            BasicProperties::default().with_delivery_mode(2).with_correlation_id(about.into());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let key = format!("default.{event_type}").into();
        let exchange = self.name("webhooks");
        let confirm = self.channel.basic_publish(exchange, key, options, b"{}", properties).await;
        let confirmation = confirm.expect("a publish").await.expect("a confirm");
        assert_eq!(confirmation, Confirmation::Ack(None), "{id}");
    }
}

/// What a lane's queue has always been declared with.
fn lane_arguments(prefix: &str) -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    table(&[
        ("x-dead-letter-exchange", text(&format!("{prefix}waha.dead"))),
        ("x-delivery-limit", 20.into()),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
        ("x-queue-type", text("quorum")),
    ])
}

fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

async fn connect(options: &Options) -> lapin::Result<(Connection, Channel)> {
    let url = options.urls[0].expose_secret();
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

/// Somebody deletes a lane's queue again and again while webhooks come in: lost is what goes with it. That
/// is what was in it, and what the broker confirms although it was on its way into it (the channel takes
/// a queue that is gone for one that has confirmed): one of each publisher at most, and of the spool's
/// drain as many as it publishes at a time. The witness has every other message.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_and_made_again_under_load_loses_no_more_than_went_with_it() {
    // RabbitMQ 3.10 that starts a queue's dead-lettering while the queue goes is never the same again.
    let node = Node::start();
    let options = node.options();
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Arc::new(RabbitmqQueue::open(options.clone()));
    broker.probe().await.expect("a broker");
    let file = sqlite::Options::new(1 << 30, Arc::new(SystemClock));
    let path = folder.path().join("spool.db");
    let spool = Spool::open(broker, &path, file, Duration::from_secs(1), &Dependencies::new())
        .expect("a spool");
    let is_over = Arc::<AtomicBool>::default();
    let mut publishers = JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let (spool, is_over) = (spool.clone(), Arc::clone(&is_over));
        publishers.spawn(async move {
            let mut published = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let id = format!("{publisher}-{}", published.len());
                spool.publish(message(&id)).await.expect("publish");
                published.push(id);
            }
            published
        });
    }
    let mut witness = Witness { options: &options, node: &node, seen: BTreeSet::new() };
    let mut deleted = 0;
    for _ in 0..DELETIONS {
        let enough = witness.seen.len() + 200;
        witness.sees("webhooks that come through", enough).await;
        deleted += delete_messages_lane(&options).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let published: BTreeSet<String> = publishers.join_all().await.into_iter().flatten().collect();
    let on_their_way = DELETIONS * (PUBLISHERS + DRAINED);
    assert!(published.len() - deleted > 3 * on_their_way, "{} are too few", published.len());
    let enough = published.len() - deleted - on_their_way;
    witness.sees("all but what went with the queue", enough).await;
    assert!(witness.seen.is_subset(&published));
}

/// Says how many were in it.
async fn delete_messages_lane(options: &Options) -> usize {
    let queue: ShortString = format!("{}waha.messages", options.prefix).into();
    wait_for("a deletion", PATIENCE, || async {
        let (_connection, channel) = connect(options).await.ok()?;
        let deleted = channel.queue_delete(queue.clone(), QueueDeleteOptions::default()).await;
        deleted.ok().map(|count| count as usize)
    })
    .await
}

/// Takes what comes to the messages lane. Not while the queue is deleted: what the queue has given to a
/// consumer is not among what it says was in it, and RabbitMQ 3.10 may keep a consumer of the queue that
/// was, which then gets nothing (see `queue/rabbitmq/consume`).
struct Witness<'a> {
    options: &'a Options,
    node: &'a Node,
    seen: BTreeSet<String>,
}

impl Witness<'_> {
    /// Takes until it has seen so many; then the queue has the rest back.
    async fn sees(&mut self, what: &str, enough: usize) {
        let taken = tokio::time::timeout(PATIENCE, self.take_until(enough)).await;
        if taken.is_err() {
            let queues =
                ["-q", "list_queues", "name", "messages", "messages_unacknowledged", "state"];
            let queues = self.node.told(&queues);
            let consumers = self.node.told(&["-q", "list_consumers"]);
            let seen = self.seen.len();
            panic!(
                "waited {PATIENCE:?} in vain for {what}, seen {seen} of {enough}:\n{queues}\n{consumers}"
            );
        }
    }

    async fn take_until(&mut self, enough: usize) {
        let queue: ShortString = format!("{}waha.messages", self.options.prefix).into();
        while self.seen.len() < enough {
            let Ok((connection, mut consumer)) = consume(self.options, &queue).await else {
                // It is gone just now.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            while self.seen.len() < enough
                && let Some(Ok(delivery)) = consumer.next().await
            {
                self.seen.insert(id_of(&delivery));
                if delivery.delivery_tag.is_multiple_of(ACKED) {
                    delivery.ack(BasicAckOptions { multiple: true }).await.expect("ack");
                }
            }
            connection.close(200, "seen enough".into()).await.expect("a close");
            nobody_consumes(self.options, &queue).await;
        }
    }
}

fn id_of(delivery: &lapin::message::Delivery) -> String {
    let about = delivery.properties.correlation_id().as_ref().expect("a name");
    let about: serde_json::Value = serde_json::from_str(about.as_str()).expect("JSON");
    about[0][3].as_str().expect("an id").to_owned()
}

async fn nobody_consumes(options: &Options, queue: &ShortString) {
    wait_for("the queue to have all back", PATIENCE, || async {
        let (_connection, channel) = connect(options).await.ok()?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(queue.clone(), passive, FieldTable::default()).await;
        (queue.ok()?.consumer_count() == 0).then_some(())
    })
    .await;
}

async fn consume(
    options: &Options,
    queue: &ShortString,
) -> lapin::Result<(Connection, lapin::Consumer)> {
    let (connection, channel) = connect(options).await?;
    let (tag, arguments) = <(ShortString, FieldTable)>::default();
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(queue.clone(), tag, options, arguments);
    Ok((connection, consuming.await?))
}

/// How often a queue is made again under a worker: the broker mistakes it for the one before in some
/// cases only.
const MADE_AGAIN: usize = 20;

/// A lane's queue that is made again before its consumer is told gives everything to the worker, also
/// what the broker drops on the way, because it had numbers that the worker had had.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_made_again_at_once_keeps_nothing_from_a_worker() {
    let node = Node::start();
    let options = Options { consumer_age_max: Duration::from_secs(2), ..node.options() };
    let (door, worker) =
        (RabbitmqQueue::open(options.clone()), RabbitmqQueue::open(options.clone()));
    receives(&worker, &door, "first", 100).await;
    for round in 0..MADE_AGAIN {
        make_again(&options).await;
        receives(&worker, &door, &round.to_string(), 20).await;
    }
}

/// The queue of the messages lane goes and is there again, in one breath.
async fn make_again(options: &Options) {
    let queue: ShortString = format!("{}waha.messages", options.prefix).into();
    let (_connection, channel) = connect(options).await.expect("a broker");
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let arguments = lane_arguments(&options.prefix);
    let deleted = channel.queue_delete(queue.clone(), QueueDeleteOptions::default());
    deleted.await.expect("a deletion");
    channel.queue_declare(queue.clone(), durable, arguments).await.expect("a queue");
    let lanes: ShortString = format!("{}waha.lanes", options.prefix).into();
    let (key, bind) = ("messages".into(), QueueBindOptions::default());
    channel.queue_bind(queue, lanes, key, bind, FieldTable::default()).await.expect("a binding");
}

/// Whatever is published gets to the worker.
async fn receives(worker: &RabbitmqQueue, door: &RabbitmqQueue, name: &str, count: usize) {
    for number in 0..count {
        let published = message(&format!("{name}-{number}"));
        wait_for("a confirm", PATIENCE, || async { door.publish(published.clone()).await.ok() })
            .await;
    }
    let seen = RefCell::new(BTreeSet::new());
    wait_for("all of them", PATIENCE, || async {
        let batch = receive(worker, Lane::Messages, Duration::from_millis(50)).await;
        let ids = batch.iter().map(|one| one.webhook().key().id.clone());
        seen.borrow_mut().extend(ids.filter(|id| id.starts_with(&format!("{name}-"))));
        worker.ack(batch).await.expect("ack");
        (seen.borrow().len() == count).then_some(())
    })
    .await;
}

/// A user that may use what is called waha, as many grant it, can't publish to queues directly.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_on_the_default_exchange_is_named_and_tap_needs_none() {
    let node = Node::start();
    let ours = r"^waha\.";
    node.control(&["add_user", "limited", "secret"]);
    node.control(&["set_permissions", "limited", ours, ours, ours]);
    let url = node.url().replace("guest:guest", "limited:secret");
    let of = |taps| Options { taps, ..Options::new(vec![url.clone().into()]) };
    let queue = RabbitmqQueue::open(of(false));
    let error = queue.publish(message("1")).await.expect_err("it may not");
    let is_named = matches!(error, QueueError::Broker(BrokerError::DefaultExchange(_)));
    assert!(is_named, "{error:?}");
    let text = error.to_string();
    assert!(text.contains("amq.default") && text.contains("queue.tap"), "{text}");
    let tapped = RabbitmqQueue::open(of(true));
    tapped.publish(message("2")).await.expect("publish");
    tapped.probe().await.expect("a confirm");
    node.control(&["set_permissions", "limited", ours, r"^(waha\.|amq\.default$)", ours]);
    wait_for("the right to count", PATIENCE, || async { queue.publish(message("3")).await.ok() })
        .await;
}

/// A message that the broker is set to refuse is set apart; those beside it on the channel are not.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_too_large_for_the_broker_fails_alone() {
    let node = Node::start();
    // RabbitMQ 3 reads the one, 4 the other.
    node.control(&["eval", "application:set_env(rabbit, max_message_size, 65536)."]);
    node.control(&["eval", "persistent_term:put(max_message_size, 65536)."]);
    let queue = RabbitmqQueue::open(node.options());
    let large: Webhook = {
        let mut parts = message("large").parts().clone();
        parts.body = vec![b' '; 100_000].into();
        parts.into()
    };
    let error = queue.publish(large).await.expect_err("it is too large");
    let QueueError::Broker(error) = error else { panic!("{error:?}") };
    assert!(matches!(error, BrokerError::TooLarge { bytes_max: 65_536 }), "{error:?}");
    wait_for("a new channel", PATIENCE, || async { queue.publish(message("small")).await.ok() })
        .await;
}
