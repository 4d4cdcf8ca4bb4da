//! How a broker is used: what the configuration says, and what is fixed.

use std::time::Duration;

use secrecy::SecretString;

use super::retry::RUNGS;

/// How long the broker may say nothing before it counts as lost, twice; in seconds.
pub(super) const HEARTBEAT_S: u16 = 5;

/// How a broker is used.
#[derive(Clone)]
pub struct Options {
    /// `amqp://` or `amqps://`, of one node each; tried in turn.
    pub urls: Vec<SecretString>,
    /// What the names of all exchanges and queues start with.
    pub prefix: String,
    /// Certificates of a private authority, in PEM.
    pub ca_pem: Option<String>,
    /// Whether new webhooks go through the topic exchange, which others may bind queues to.
    pub taps: bool,
    /// How many webhooks of a lane may be in this process' hands.
    pub prefetch: u16,
    /// How many bytes the bodies may have that are in this process' hands, over all lanes. A body that
    /// is larger than its lane's part comes alone.
    pub bytes_max: u64,
    /// How long a consumer that nobody asks is kept. Shorter than the broker's consumer timeout,
    /// longer than a batch takes.
    pub idle_max: Duration,
    /// How long a consumer is used before a new one takes its place: see `consume`.
    pub consumer_age_max: Duration,
    /// The waits for retries that have a queue.
    pub rungs: Vec<Duration>,
    /// How the connections are called in the broker's lists.
    pub name: String,
}

impl Options {
    /// With no prefix and the public authorities.
    pub fn new(urls: Vec<SecretString>) -> Self {
        Self {
            urls,
            prefix: String::new(),
            ca_pem: None,
            taps: false,
            prefetch: 1000,
            bytes_max: 256 << 20,
            idle_max: Duration::from_mins(5),
            consumer_age_max: Duration::from_mins(1),
            rungs: RUNGS.to_vec(),
            name: "waha-ingest".to_owned(),
        }
    }
}
