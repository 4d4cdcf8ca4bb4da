//! What waits for its next attempt, as operators see and hasten it.
//!
//! Invariant: looking ends nothing and uses no attempt, and what is hastened keeps its failures.

use std::sync::Arc;

use super::{Failure, Lane};
use crate::webhook::{Receipt, WebhookKey};

/// A webhook that waits for its next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRetry {
    /// Which lane it will come by.
    pub lane: Lane,
    /// Which webhook.
    pub key: WebhookKey,
    /// Which acceptance of it.
    pub receipt: Receipt,
    /// When the door took it in, ms since 1970.
    pub received_at_ms: i64,
    /// When it is tried again, ms since 1970; none of somebody else's message, which does not say.
    pub due_at_ms: Option<i64>,
    /// What failed so far, oldest first.
    pub failures: Vec<Failure>,
}

/// Those that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retrying {
    /// The next to be tried first.
    pub webhooks: Vec<WaitingRetry>,
    /// How many more wait that were not looked at.
    pub unseen: u64,
}

impl Retrying {
    /// At most so many of them, the next first; the others count as not looked at.
    pub(super) fn first(mut self, count_max: usize) -> Self {
        self.webhooks.sort_by_key(|waiting| waiting.due_at_ms);
        let more = self.webhooks.len().saturating_sub(count_max);
        self.webhooks.truncate(count_max);
        Self { unseen: self.unseen + more as u64, ..self }
    }
}

/// Which of them are to be tried now.
pub type RetryChoice = Arc<dyn Fn(&WaitingRetry) -> bool + Send + Sync>;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hastened {
    /// Are tried now.
    pub count: u64,
    /// How many more wait that were not looked at.
    pub unseen: u64,
}
