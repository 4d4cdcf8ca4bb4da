//! The exchange by which applications get what changed: `waha.changes`, of type topic.
//!
//! Used by `consumers`, one task of a process at a time. A connection of its own, because what others do with
//! their queues (a policy that blocks, an alarm) must not hold up webhooks. Applications bind queues of their
//! own; where nobody did, a change goes nowhere, and is published all the same (`mandatory` is off).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ExchangeKind};
use tokio::sync::watch;
use tokio::time::timeout;

use super::arguments::table;
use super::connection::{Reconnecting, Urls, Usable};
use super::error::BrokerError;
use super::message::short;
use super::options::Options;
use super::topology::{declare_exchange, named};

/// How long the broker may take to confirm all that was published at once.
const CONFIRM_MAX: Duration = Duration::from_secs(30);

/// As AMQP numbers it: kept on disk where a queue is durable.
const PERSISTENT: u8 = 2;

/// The exchange. Dropping it closes its connection.
pub struct FeedExchange {
    link: Reconnecting<FeedChannel>,
    exchange: ShortString,
}

/// What is published.
#[derive(Clone, Debug)]
pub struct FeedMessage {
    /// By which queues are bound.
    pub routing_key: String,
    /// Names it, also when it is published again.
    pub id: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// A channel in confirm mode, on a connection that has the exchange.
struct FeedChannel {
    /// Kept open.
    connection: Arc<Connection>,
    channel: Channel,
}

impl Usable for FeedChannel {
    fn is_usable(&self) -> bool {
        self.channel.status().connected()
    }
}

impl FeedExchange {
    /// Starts connecting, and goes on for ever.
    pub(super) fn open(options: Arc<Options>, urls: watch::Receiver<Urls>) -> Self {
        let exchange = named(&options.prefix, "changes");
        let declared = exchange.clone();
        let set_up = move |connection: Arc<Connection>| {
            let exchange = declared.clone();
            Box::pin(async move { FeedChannel::open(connection, exchange).await }) as _
        };
        Self { link: Reconnecting::start(options, urls, Box::new(set_up)), exchange }
    }

    /// Publishes in this order and waits until the broker has confirmed all.
    pub async fn publish(&self, messages: &[FeedMessage]) -> Result<(), BrokerError> {
        let channel = self.link.get().await?;
        let published = timeout(CONFIRM_MAX, channel.publish(&self.exchange, messages)).await;
        let published = published.unwrap_or(Err(BrokerError::Silent(CONFIRM_MAX.as_secs())));
        if published.is_err() {
            // What is still on its way would end up behind what is published again.
            self.link.renew(&channel);
        }
        published
    }
}

impl FeedChannel {
    async fn open(connection: Arc<Connection>, exchange: ShortString) -> Result<Self, BrokerError> {
        let channel = connection.create_channel().await?;
        declare_exchange(&channel, exchange, ExchangeKind::Topic, table([])).await?;
        channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
        Ok(Self { connection, channel })
    }

    async fn publish(
        &self,
        exchange: &ShortString,
        messages: &[FeedMessage],
    ) -> Result<(), BrokerError> {
        if self.connection.status().blocked() {
            return Err(BrokerError::Blocked);
        }
        let options = BasicPublishOptions { mandatory: false, immediate: false };
        let mut confirms = Vec::with_capacity(messages.len());
        for message in messages {
            let properties = BasicProperties::default()
                .with_content_type("application/json".into())
                .with_delivery_mode(PERSISTENT)
                .with_message_id(short(&message.id));
            let (key, body) = (short(&message.routing_key), message.body.as_slice());
            let published =
                self.channel.basic_publish(exchange.clone(), key, options, body, properties).await;
            confirms.push(published?);
        }
        let confirms = confirms.into_iter().map(|confirm| async {
            match confirm.await? {
                Confirmation::Ack(_) => Ok(()),
                Confirmation::Nack(_) => Err(BrokerError::NotTaken),
                Confirmation::NotRequested => Err(BrokerError::Closed),
            }
        });
        try_join_all(confirms).await.map(drop)
    }
}
