//! Webhooks wait in the queues of their lanes, whichever release or setting published them, and stay
//! there or in the spool whatever becomes of the queues.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
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
        let arguments = table(&[
            ("x-dead-letter-exchange", text(self.name("dead"))),
            ("x-delivery-limit", 20.into()),
            ("x-dead-letter-strategy", text("at-least-once".into())),
            ("x-overflow", text("reject-publish".into())),
            ("x-queue-type", text("quorum".into())),
        ]);
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
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let witness = tokio::spawn(witness(options.clone(), Arc::clone(&seen)));
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
    let mut gone = 0;
    for _ in 0..20 {
        let before = seen.lock().unwrap().len();
        wait_for("webhooks that come through", PATIENCE, || async {
            (seen.lock().unwrap().len() >= before + 200).then_some(())
        })
        .await;
        gone += PUBLISHERS + DRAINED + delete_messages_lane(&options).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let published: BTreeSet<String> = publishers.join_all().await.into_iter().flatten().collect();
    wait_for("all but what went with the queue", PATIENCE, || async {
        let missing = published.difference(&seen.lock().unwrap()).count();
        (missing <= gone).then_some(())
    })
    .await;
    assert!(published.len() > 3 * gone, "{gone} of {} may be gone", published.len());
    witness.abort();
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

/// Takes all that comes to the messages lane, whenever it is there.
async fn witness(options: Options, seen: Arc<Mutex<BTreeSet<String>>>) {
    let queue: ShortString = format!("{}waha.messages", options.prefix).into();
    loop {
        let Ok((_connection, mut consumer)) = consume(&options, &queue).await else {
            // It is gone just now.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        while let Some(Ok(delivery)) = consumer.next().await {
            let about = delivery.properties.correlation_id().as_ref().expect("a name");
            let about: serde_json::Value = serde_json::from_str(about.as_str()).expect("JSON");
            let id = about[0][3].as_str().expect("an id").to_owned();
            seen.lock().unwrap().insert(id);
        }
    }
}

async fn consume(
    options: &Options,
    queue: &ShortString,
) -> lapin::Result<(Connection, lapin::Consumer)> {
    let (connection, channel) = connect(options).await?;
    // Else a quorum queue gives 2,000 and then no more.
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let (tag, arguments) = <(ShortString, FieldTable)>::default();
    let consuming = channel.basic_consume(queue.clone(), tag, options, arguments);
    Ok((connection, consuming.await?))
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
