//! The exchange on RabbitMQ: applications bind queues of their own.

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ConnectionProperties, Consumer as Subscription};
use serde_json::Value;
use tokio::time::timeout;
use waha_ingest::consumers::{Consumer, ExchangeWay, Way};
use waha_ingest::queue::rabbitmq::{Options, RabbitmqQueue};
use waha_ingest::store::operations::consumers::ConsumerKind;
use waha_ingest::store::operations::feed::ROWS_BYTES_MAX;

use super::{PATIENCE, Running, until_delivered, write};
use crate::app::{TestApp, clock, open_store};
use crate::database::{Kind, on_each_database};
use crate::rabbitmq_node::options;
use crate::wait::wait_for;

on_each_database!(a_bound_queue_gets_all_in_order);

const NAME: &str = "exchange";

fn consumer(options: &Options) -> (RabbitmqQueue, Consumer) {
    let queue = RabbitmqQueue::open(options.clone());
    let way = Way::Exchange(ExchangeWay::new(queue.feed_exchange()));
    let subscription = waha_ingest::store::operations::consumers::Subscription::default();
    let batch_bytes_max = ROWS_BYTES_MAX;
    (queue, Consumer { name: NAME.into(), way, subscription, batch_max: 50, batch_bytes_max })
}

/// Two workers deliver, and the one that has the lease is killed.
async fn a_bound_queue_gets_all_in_order(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.store.register_consumer(NAME, ConsumerKind::Exchange).await.unwrap();
    let options = options();
    let (_one, first) = consumer(&options);
    let (_two, second) = consumer(&options);
    // Declares the exchange; nothing is written yet.
    let first = Running::start(&app.store, first, "one");
    let (all, messages) =
        (subscribe(&options, "#").await, subscribe(&options, "*.*.message.#").await);
    let other = open_store(app.database(), clock()).await;
    let second = Running::start(&other, second, "two");
    let killing = async {
        let owner = wait_for("a delivery", PATIENCE, || async {
            let row = app.store.consumer(NAME).await.unwrap().filter(|row| row.position > 20);
            row.and_then(|row| row.lease_owner)
        });
        if owner.await == "one" {
            first.kill();
            second
        } else {
            second.kill();
            first
        }
    };
    let ((), survivor) = tokio::join!(write(&app, 5, 60), killing);
    let newest = until_delivered(&app.store, NAME).await;
    let told = read_until(all, newest).await;
    let mut highest = 0;
    for change in &told {
        let position = change["position"].as_i64().unwrap();
        assert!(position <= highest + 1, "{position} after {highest}");
        highest = highest.max(position);
    }
    let is_message = |change: &&Value| change["kind"].as_str().unwrap().starts_with("message.");
    let last = told.iter().filter(is_message).map(|it| it["position"].as_i64().unwrap()).max();
    let messages = read_until(messages, last.unwrap()).await;
    assert!(messages.iter().all(|change| is_message(&change)));
    survivor.stop().await;
}

/// A queue of an application's own.
async fn subscribe(options: &Options, key: &str) -> (Channel, Subscription) {
    use secrecy::ExposeSecret;
    let properties = ConnectionProperties::default();
    let connection =
        Connection::connect(options.urls[0].expose_secret(), properties).await.unwrap();
    let exchange: ShortString = format!("{}waha.changes", options.prefix).into();
    let open = || async {
        let channel = connection.create_channel().await.unwrap();
        let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let queue =
            channel.queue_declare("".into(), exclusive, FieldTable::default()).await.ok()?;
        let name = queue.name().clone();
        let options = QueueBindOptions::default();
        let table = FieldTable::default();
        channel
            .queue_bind(name.clone(), exchange.clone(), key.into(), options, table)
            .await
            .ok()?;
        Some((channel, name))
    };
    let (channel, name) = wait_for("the exchange", PATIENCE, open).await;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(name, "".into(), options, FieldTable::default()).await;
    (channel, consumer.unwrap())
}

/// What a queue brings, up to a position.
async fn read_until((_channel, mut queue): (Channel, Subscription), last: i64) -> Vec<Value> {
    let mut told = Vec::new();
    loop {
        let delivery = timeout(PATIENCE, queue.next()).await.unwrap().unwrap().unwrap();
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        assert_eq!(*delivery.properties.delivery_mode(), Some(2));
        let change: Value = serde_json::from_slice(&delivery.data).unwrap();
        let key = [&change["source"], &change["session"], &change["kind"]];
        let key = key.map(|part| part.as_str().unwrap()).join(".");
        assert_eq!(delivery.routing_key.as_str(), key);
        let is_last = change["position"] == last;
        told.push(change);
        if is_last {
            return told;
        }
    }
}
