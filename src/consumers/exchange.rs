//! Delivery by the exchange on RabbitMQ: each change a persistent message, confirmed before the cursor moves.

use super::DeliveryError;
use super::entry::Entry;
use crate::queue::rabbitmq::{BrokerError, FeedExchange, FeedMessage};
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
            body: entry.json.clone().into_bytes(),
        };
        let messages: Vec<FeedMessage> = entries.iter().map(message).collect();
        let published = self.0.publish(&messages).await;
        published.map_err(|error| {
            let said = Causes(&error).to_string();
            // While it connects anew: the error before says why.
            let is_closed = matches!(error, BrokerError::Closed);
            if is_closed { DeliveryError::Closed(said) } else { DeliveryError::Failed(said) }
        })
    }
}
