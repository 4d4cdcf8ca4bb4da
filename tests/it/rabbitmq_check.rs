//! What is wrong with a broker is named: by the error, and so by `check`.

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use waha_ingest::queue::rabbitmq::{BrokerError, Options, RabbitmqQueue};

use crate::rabbitmq_node::{Node, options};

async fn check(options: &Options) -> Result<String, BrokerError> {
    RabbitmqQueue::check(options, &options.urls[0]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_broker_tells_its_version() {
    let version = check(&options()).await.expect("a sound broker");
    assert!(version.starts_with('3') || version.starts_with('4'), "{version}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_differing_queue_is_named_with_its_argument() {
    use secrecy::ExposeSecret;
    let options = options();
    let properties = ConnectionProperties::default();
    let connection =
        Connection::connect(options.urls[0].expose_secret(), properties).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let name = format!("{}waha.messages", options.prefix);
    channel
        .queue_declare(name.as_str().into(), durable, FieldTable::default())
        .await
        .expect("a queue of another type");
    let error = check(&options).await.expect_err("it differs");
    assert!(matches!(error, BrokerError::Differs(_)), "{error:?}");
    assert!(error.to_string().contains("x-queue-type") && error.to_string().contains(&name));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_user_out_is_named() {
    let node = Node::start();
    for command in [
        &["add_user", "blind", "secret"][..],
        &["add_user", "stranger", "secret"],
        &["set_permissions", "blind", "", "", ""],
    ] {
        node.control(command);
    }
    let address = node.url.rsplit_once('@').expect("a user").1;
    let of = |url: String| Options::new(vec![url.into()]);
    for (url, is_right) in [
        ("amqp://guest:guest@127.0.0.1:1/%2f".to_owned(), "can't be reached"),
        (format!("amqp://blind:wrong@{address}"), "refuses the user"),
        (format!("amqp://stranger:secret@{address}"), "virtual host"),
        (node.url.replace("%2f", "none"), "virtual host"),
        (format!("amqp://blind:secret@{address}"), "lacks a permission"),
    ] {
        let error = check(&of(url.clone())).await.expect_err("it can't be used");
        assert!(error.to_string().contains(is_right), "{url}: {error:?}");
    }
}
