//! The exchange by which applications get what changed: `waha.changes`, of type topic.
//!
//! Used by `consumers`, one task of a process at a time. A connection of its own, because what others do with
//! their queues (a policy that blocks, an alarm) must not hold up webhooks. Applications bind queues of their
//! own; where nobody did, a change goes nowhere, and is published all the same (`mandatory` is off).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ExchangeKind, PublisherConfirm};
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
        let (mut confirms, mut failed) = (Vec::with_capacity(messages.len()), None);
        for message in messages {
            match self.send(exchange, message).await {
                Ok(confirm) => confirms.push(confirm),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let confirmed = join_all(confirms.into_iter().map(confirmed)).await;
        cause(confirmed.into_iter().filter_map(Result::err).chain(failed)).map_or(Ok(()), Err)
    }

    async fn send(
        &self,
        exchange: &ShortString,
        message: &FeedMessage,
    ) -> Result<PublisherConfirm, BrokerError> {
        let options = BasicPublishOptions { mandatory: false, immediate: false };
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short(&message.id));
        let (key, body) = (short(&message.routing_key), message.body.as_slice());
        let sent = self.channel.basic_publish(exchange.clone(), key, options, body, properties);
        Ok(sent.await?)
    }
}

async fn confirmed(confirm: PublisherConfirm) -> Result<(), BrokerError> {
    match confirm.await? {
        Confirmation::Ack(_) => Ok(()),
        Confirmation::Nack(_) => Err(BrokerError::NotTaken),
        Confirmation::NotRequested => Err(BrokerError::Closed),
    }
}

/// The first that says why: once the broker has closed a channel for something, all else on it only says that it
/// is closed.
fn cause(errors: impl Iterator<Item = BrokerError>) -> Option<BrokerError> {
    let mut first = None;
    for error in errors {
        match error {
            BrokerError::Closed => first = first.or(Some(BrokerError::Closed)),
            error => return Some(error),
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_that_says_why_is_told() {
        let permission = || BrokerError::Permission("waha.changes".to_owned());
        let cause = |errors: Vec<BrokerError>| cause(errors.into_iter());
        let told = cause(vec![BrokerError::Closed, permission(), BrokerError::NotTaken]);
        assert!(matches!(told, Some(BrokerError::Permission(_))), "{told:?}");
        assert!(matches!(cause(vec![BrokerError::Closed]), Some(BrokerError::Closed)));
        assert!(cause(Vec::new()).is_none());
    }
}
