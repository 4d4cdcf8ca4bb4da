//! RabbitMQ nodes for tests: one that all share, and others to break.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use lapin::options::QueueDeleteOptions;
use lapin::{Connection, ConnectionProperties};
use waha_ingest::queue::rabbitmq::Options;
use waha_ingest::webhook::{Receipt, Webhook, WebhookKey, WebhookParts};

use crate::server::Server;

/// Options for the shared node, with names that no other test uses.
pub fn options() -> Options {
    let url = std::env::var("TEST_AMQP_URL").expect("TEST_AMQP_URL is not set: run tests/run");
    Options { prefix: prefix(), ..Options::new(vec![url.into()]) }
}

/// A prefix that no other test uses.
pub fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A node of one test.
pub struct Node(Server);

impl Node {
    /// Starts it; takes some seconds.
    pub fn start() -> Self {
        Self(Server::start("rabbitmq"))
    }

    /// The same, speaking TLS as well, with `certificate.pem` and `key.pem` of a folder.
    pub fn start_with_tls(folder: &Path) -> Self {
        Self(Server::start_with("rabbitmq", &[("TEST_SERVERS_TLS", folder.as_os_str())]))
    }

    /// `kill`, `resume`, `freeze`, `thaw`.
    pub fn does(&self, what: &str) {
        self.0.order(what);
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Its URL for TLS, under some name of this machine.
    pub fn tls_url(&self, host: &str) -> String {
        let port = std::fs::read_to_string(self.0.home().join("tls_port")).expect("a port");
        format!("amqps://guest:guest@{host}:{}/%2f", port.trim())
    }

    /// Options for this node.
    pub fn options(&self) -> Options {
        Options { prefix: prefix(), ..Options::new(vec![self.url().to_owned().into()]) }
    }

    /// Runs `rabbitmqctl` against this node.
    pub fn control(&self, arguments: &[&str]) {
        self.told(arguments);
    }

    /// The same; what it prints.
    pub fn told(&self, arguments: &[&str]) -> String {
        let all: Vec<&str> = ["rabbitmqctl"].iter().chain(arguments).copied().collect();
        self.0.order_with("control", &all)
    }

    pub fn server(&self) -> &Server {
        &self.0
    }

    /// Host and port of its URL.
    pub fn address(&self) -> String {
        self.0.address()
    }

    /// The names of all queues with a prefix.
    pub fn queues(&self, prefix: &str) -> Vec<String> {
        let told = self.told(&["-q", "list_queues", "name"]);
        told.lines().filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
    }
}

/// Deletes queues, whatever is in them.
pub async fn delete_queues(url: &str, names: &[String]) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for name in names {
        let options = QueueDeleteOptions::default();
        channel.queue_delete(name.as_str().into(), options).await.unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.0.order("kill");
    }
}

/// A webhook of an event type.
pub fn of_type(event_type: &str, id: &str) -> Webhook {
    let mut parts = message(id).parts().clone();
    event_type.clone_into(&mut parts.key.event_type);
    parts.into()
}

/// A webhook for the messages lane.
pub fn message(id: &str) -> Webhook {
    let payload = serde_json::json!({
        "id": format!("false_4915100000000@c.us_{id}"), "from": "4915100000000@c.us",
        "fromMe": false, "timestamp": 1_750_000_000, "body": "hello",
    });
    let body = serde_json::json!({
        "event": "message", "session": "shop", "id": id, "payload": payload,
    });
    WebhookParts {
        key: WebhookKey {
            source: "default".to_owned(),
            session: "shop".to_owned(),
            event_type: "message".to_owned(),
            id: id.to_owned(),
        },
        receipt: Receipt::new(),
        at_ms: 1_750_000_000_000,
        received_at_ms: 1_750_000_000_000,
        replay: false,
        headers: std::collections::BTreeMap::new(),
        body: Bytes::from(body.to_string()),
    }
    .into()
}
