//! Who gets the feed from this process: the configured consumers, made ready.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::Parts;
use super::beat::random_name;
use crate::config::ConsumerConfig;
use crate::consumers::webhook::WebhookOptions;
use crate::consumers::{
    Consumer, Delivery, EXCHANGE, ExchangeWay, SharedSecrets, Timing, Way, WebhookWay,
};
use crate::store::Store;
use crate::store::operations::consumers::Subscription;
use crate::store::operations::feed::ROWS_BYTES_MAX;

/// Changes that are published to the exchange at once.
const EXCHANGE_BATCH: u64 = 200;
/// How long the broker may take for them.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

impl Parts {
    /// The deliveries of a process that works. Their secrets are given to `secrets`.
    pub(super) fn deliveries(
        &self,
        store: &Arc<Store>,
        secrets: &SharedSecrets,
    ) -> anyhow::Result<Vec<Delivery>> {
        let feed = &self.config.feed;
        let mut all = Vec::new();
        if let (true, Some(broker)) = (feed.exchange, &self.broker) {
            let consumer = Consumer {
                name: EXCHANGE.to_owned(),
                way: Way::Exchange(ExchangeWay::new(broker.feed_exchange())),
                subscription: Subscription::default(),
                batch_max: EXCHANGE_BATCH,
                batch_bytes_max: ROWS_BYTES_MAX,
            };
            all.push(self.delivery(store, consumer, EXCHANGE_TIMEOUT));
        }
        for configured in &feed.consumers {
            let consumer = webhook(configured, secrets)
                .with_context(|| format!("consumers.{}", configured.name))?;
            all.push(self.delivery(store, consumer, configured.timeout));
        }
        Ok(all)
    }

    fn delivery(&self, store: &Arc<Store>, consumer: Consumer, timeout: Duration) -> Delivery {
        let metrics = self.metrics.consumers.clone();
        metrics.begin(&consumer.name);
        let (store, clock) = (Arc::clone(store), Arc::clone(&self.clock));
        // The lease of the process before, if that was killed, is then ours at once.
        let owner = self.folder_lock.name().unwrap_or_else(random_name);
        Delivery::new(store, clock, consumer, metrics, Timing::of(timeout), owner)
    }
}

fn webhook(configured: &ConsumerConfig, secrets: &SharedSecrets) -> anyhow::Result<Consumer> {
    secrets.replace(&configured.name, configured.keys());
    let options = WebhookOptions {
        consumer: configured.name.clone(),
        url: configured.url.clone(),
        timeout: configured.timeout,
        secrets: Arc::clone(secrets),
        is_batched: configured.batch_max > 1,
        ca_pem: configured.ca_pem.clone(),
    };
    Ok(Consumer {
        name: configured.name.clone(),
        way: Way::Webhook(WebhookWay::new(options)?),
        subscription: configured.subscription.clone(),
        batch_max: configured.batch_max,
        batch_bytes_max: configured.batch_bytes_max,
    })
}
