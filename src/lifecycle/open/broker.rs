//! How the broker is used, and its management API.

use std::time::Duration;

use crate::config::{Backend, BrokerConfig, Config};
use crate::queue::rabbitmq::Options;
use crate::queue::rabbitmq::management::Management;

/// How long a consumer that nobody asks is kept; brokers give up after half an hour.
const IDLE_MAX: Duration = Duration::from_mins(5);

/// How a broker is used. What is in hand are the batches in work and as much again, so that no worker
/// waits for the network.
pub fn broker_options(config: &Config, broker: &BrokerConfig) -> Options {
    let in_hand = config.batch_max * config.concurrency * 2;
    Options {
        prefix: broker.prefix.clone(),
        ca_pem: broker.ca_pem.clone(),
        taps: broker.taps,
        prefetch: u16::try_from(in_hand).unwrap_or(u16::MAX),
        // What is in work, and as much again.
        bytes_max: config.worker_memory_bytes_max.saturating_mul(2),
        // Batches are given back before their consumer is.
        idle_max: IDLE_MAX.max(config.hold_max * 2),
        ..Options::new(broker.urls.clone())
    }
}

/// The broker's management API, if it is configured.
pub fn open_management(config: &Config) -> anyhow::Result<Option<Management>> {
    let Backend::Broker(broker) = &config.queue.backend else { return Ok(None) };
    if broker.management_urls.is_empty() {
        return Ok(None);
    }
    let options = broker_options(config, broker);
    Ok(Some(Management::new(&options, &broker.management_urls)?))
}
