//! Delivers the feed to applications that do not read it themselves: signed webhooks, and an exchange on
//! RabbitMQ. A task for each consumer, so one that is away slows nobody.
//!
//! Run by `lifecycle` in every process that works; of several processes one delivers for a consumer at a time.
//! How far each got is in `feed_consumers` (`store/operations/consumers`).
//!
//! Reading order: `delivery`, what a task does; `lease`, whether it may; `entry`, what is told of a change;
//! `webhook` with `signature`, and `exchange`.
//!
//! Invariants: a consumer gets every change once or more, in the order of positions, and the cursor moves only
//! behind what was answered or confirmed. After a failure changes go out one by one, so that only one hangs that
//! nobody takes, and then more at a time again. Nothing is ever left out but by an operator. What was sent again may
//! come late, after a process was frozen: whoever must not take a step back compares positions.

mod delivery;
mod entry;
mod exchange;
mod lease;
pub mod signature;
pub mod webhook;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::store::operations::consumers::{ConsumerKind, Subscription};

pub use delivery::{Delivery, Timing};
pub use exchange::ExchangeWay;
pub use webhook::WebhookWay;

/// What the exchange on RabbitMQ is called among the consumers.
pub const EXCHANGE: &str = "exchange";

/// Somebody whom the feed is delivered to.
pub struct Consumer {
    /// Its name in the configuration.
    pub name: String,
    /// How.
    pub way: Way,
    /// What it gets.
    pub subscription: Subscription,
    /// Most changes at a time.
    pub batch_max: u64,
    /// Most bytes of them, but for a single one.
    pub batch_bytes_max: u64,
}

/// How something is delivered.
pub enum Way {
    /// By signed requests.
    Webhook(WebhookWay),
    /// By an exchange.
    Exchange(ExchangeWay),
}

/// Why something was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The receiver says that it wants no more: HTTP 410.
    #[error("the receiver answered 410 Gone: it wants no more. Resume it when it does")]
    Unwanted,
    /// It did not take it; it is sent again. In words that may be shown.
    #[error("{0}")]
    Failed(String),
    /// There is no connection, which says nothing of why.
    #[error("{0}")]
    Closed(String),
}

impl Way {
    /// As the row says it.
    pub fn kind(&self) -> ConsumerKind {
        match self {
            Self::Webhook(_) => ConsumerKind::Webhook,
            Self::Exchange(_) => ConsumerKind::Exchange,
        }
    }
}

/// The tasks of a process.
pub struct Deliveries(JoinSet<()>);

impl Deliveries {
    /// Delivers from now on, until `stop`.
    pub fn start(all: Vec<Delivery>, stop: &CancellationToken) -> Self {
        let mut tasks = JoinSet::new();
        for delivery in all {
            tasks.spawn(delivery.run(stop.clone()));
        }
        Self(tasks)
    }

    /// Waits until what is on its way has ended.
    pub async fn end(self) {
        // A panic there has been reported.
        let _ = self.0.join_all().await;
    }
}

/// Secrets of all webhooks, which may change while the process runs.
pub type SharedSecrets = Arc<signature::SecretsInForce>;
