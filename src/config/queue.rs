//! `[queue]`: where webhooks wait.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::reader::Reader;

/// Stands for the embedded queue where URLs stand for a broker.
const EMBEDDED: &str = "embedded";

/// Where webhooks wait.
pub struct QueueConfig {
    /// Which queue.
    pub backend: Backend,
    /// Size limit of the embedded queue.
    pub bytes_max: u64,
}

/// Which queue.
pub enum Backend {
    /// A file in the data folder.
    Embedded,
    /// RabbitMQ.
    Broker(BrokerConfig),
}

/// How RabbitMQ is used.
pub struct BrokerConfig {
    /// One for each node; may hold passwords.
    pub urls: Vec<SecretString>,
    /// What the names of exchanges and queues start with.
    pub prefix: String,
    /// Certificates of a private authority, in PEM.
    pub ca_pem: Option<String>,
    /// Whether new webhooks go through the topic exchange, which others may bind queues to.
    pub taps: bool,
    /// Where the broker's management API answers, of one node each; empty: it is not asked. They may
    /// hold passwords.
    pub management_urls: Vec<SecretString>,
    /// After this a webhook goes to the spool.
    pub publish_max: Duration,
    /// Size limit of the spool.
    pub spool_bytes_max: u64,
}

pub(super) fn read(reader: &mut Reader) -> QueueConfig {
    let urls = reader.secret_urls("queue.url", "queue.url_file");
    let broker = BrokerConfig {
        prefix: prefix(reader),
        ca_pem: ca_pem(reader),
        taps: reader.flag("queue.tap"),
        management_urls: urls_of_management(reader),
        publish_max: reader.milliseconds("queue.publish_timeout_ms"),
        spool_bytes_max: reader.number("queue.spool_bytes_max", 1 << 20, u64::MAX >> 1),
        urls,
    };
    let is_embedded = matches!(&broker.urls[..], [url] if url.expose_secret() == EMBEDDED);
    if !is_embedded {
        check(reader, &broker);
    }
    QueueConfig {
        bytes_max: reader.number("queue.bytes_max", 1 << 20, u64::MAX >> 1),
        backend: if is_embedded { Backend::Embedded } else { Backend::Broker(broker) },
    }
}

fn check(reader: &mut Reader, broker: &BrokerConfig) {
    let is_url = |url: &SecretString| {
        let url = url.expose_secret();
        url.starts_with("amqp://") || url.starts_with("amqps://")
    };
    reader.check(
        "queue.url",
        !broker.urls.is_empty() && broker.urls.iter().all(is_url),
        "must be \"embedded\", or amqp:// or amqps:// URLs",
    );
    let answer_max = reader.milliseconds("server.publish_timeout_ms");
    reader.check(
        "queue.publish_timeout_ms",
        broker.publish_max < answer_max,
        "must be less than server.publish_timeout_ms, so that there is time to spool",
    );
}

fn urls_of_management(reader: &mut Reader) -> Vec<SecretString> {
    let urls = reader.secret_urls("queue.management_url", "queue.management_url_file");
    let is_url = |url: &SecretString| {
        let url = url.expose_secret();
        url.starts_with("http://") || url.starts_with("https://")
    };
    reader.check(
        "queue.management_url",
        urls.iter().all(is_url),
        "must be http:// or https:// URLs, such as http://USER:PASSWORD@HOST:15672",
    );
    urls
}

fn prefix(reader: &mut Reader) -> String {
    let prefix = reader.optional_text("queue.prefix").unwrap_or_default();
    let is_right = prefix.len() <= 64
        && prefix.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    reader.check("queue.prefix", is_right, "at most 64 of letters, digits, -, _ and .");
    prefix
}

fn ca_pem(reader: &mut Reader) -> Option<String> {
    let file = reader.optional_text("queue.ca_file")?;
    reader.file("queue.ca_file", &file)
}
