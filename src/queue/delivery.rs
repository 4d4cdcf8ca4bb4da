//! A delivery: one hand-over of a webhook to a worker. Ended by value, so once only.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use crate::webhook::Webhook;
use crate::webhook::storable::{cut, printable, storable_ms};

/// Longest text of a failure, in bytes.
const ERROR_BYTES_MAX: usize = 1024;

/// How a queue knows its own delivery again.
pub type Tag = u64;

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// What failed: no bodies, no personal data.
    pub error: String,
}

impl Failure {
    /// The same with nothing that a database refuses, and short enough to travel with its webhook: for
    /// failures that somebody else wrote down.
    pub fn storable(self) -> Self {
        let error: String = self.error.chars().map(printable).collect();
        let error = cut(&error, ERROR_BYTES_MAX).to_owned();
        Self { at_ms: storable_ms(self.at_ms), error }
    }
}

/// One hand-over of a webhook. Dropped, it goes back to its queue with no failure counted.
#[derive(Debug)]
pub struct Delivery {
    webhook: Webhook,
    failures: Vec<Failure>,
    tag: Tag,
    /// Where to say that it was dropped; none once it is ended.
    returns: Option<UnboundedSender<Tag>>,
}

impl Delivery {
    /// A delivery that says on `returns` if it is dropped before its end.
    pub fn new(
        webhook: Webhook,
        failures: Vec<Failure>,
        tag: Tag,
        returns: UnboundedSender<Tag>,
    ) -> Self {
        Self { webhook, failures, tag, returns: Some(returns) }
    }

    /// What is delivered.
    pub fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// Earlier attempts, oldest first.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Which attempt this is; the first is 1.
    pub fn attempt(&self) -> u32 {
        u32::try_from(self.failures.len()).unwrap_or(u32::MAX - 1) + 1
    }

    /// Ends it: the queue that handed it out takes its tag and earlier failures.
    pub fn end(mut self) -> (Tag, Vec<Failure>) {
        self.returns = None;
        (self.tag, std::mem::take(&mut self.failures))
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(returns) = &self.returns {
            // A closed channel means the queue is gone; its lease or connection ends the delivery.
            let _ = returns.send(self.tag);
        }
    }
}
