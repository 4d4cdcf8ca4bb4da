//! Delivery by the exchange on RabbitMQ: each change a persistent message, confirmed before the cursor moves.

use super::DeliveryError;
use super::entry::Entry;
use crate::queue::rabbitmq::{FeedExchange, FeedMessage};
use crate::telemetry::cause::Causes;

/// The exchange.
pub struct ExchangeWay(FeedExchange);

impl ExchangeWay {
    /// By this exchange.
    pub fn new(exchange: FeedExchange) -> Self {
        Self(exchange)
    }

    pub(super) async fn deliver(&self, entries: &[Entry]) -> Result<(), DeliveryError> {
        let message = |entry: &Entry| FeedMessage {
            routing_key: entry.routing_key.clone(),
            id: entry.id.clone(),
            body: entry.json.to_string().into_bytes(),
        };
        let messages: Vec<FeedMessage> = entries.iter().map(message).collect();
        let published = self.0.publish(&messages).await;
        published.map_err(|error| DeliveryError::Failed(Causes(&error).to_string()))
    }
}
