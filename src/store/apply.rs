//! A batch in one transaction: ledger rows, then sessions, chats, messages and the rest.
//!
//! Called by the worker. Either all of the batch is written or nothing, but who exists and who is
//! who, which `people/meet` says ahead; writing it again changes nothing. Rows are locked in one
//! canonical order, so workers don't deadlock.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::ids::Known;
use super::ledger::{self, Entry, Owners};
use super::transaction::CheckedTransaction;
use super::write::Writer;
use super::{ErrorClass, Store, StoreError, audit, dead_letter};
use crate::change::{Changes, Merge};
use crate::normalize::{Ignored, Normalized};
use crate::webhook::{Webhook, WebhookKey};

/// A transaction that takes longer is taken for an outage.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A normalized webhook, ready to be written.
#[derive(Debug)]
pub struct Task<'a> {
    /// Which webhook.
    pub webhook: &'a Webhook,
    /// How often it was delivered, this time included.
    pub attempts: u32,
    /// What it tells.
    pub normalized: Normalized,
}

/// How a webhook ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its changes are in the tables.
    Applied,
    /// The same webhook was accepted before.
    Duplicate,
    /// It tells nothing for our tables.
    Ignored(Ignored),
    /// It is kept as a dead letter, for this reason.
    DeadLettered(&'static str),
}

impl Outcome {
    /// As stored, logged and counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Ignored(_) => "ignored",
            Self::DeadLettered(_) => "dead_lettered",
        }
    }

    /// Why, where there is a why.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Applied | Self::Duplicate => None,
            Self::Ignored(ignored) => Some(ignored.reason()),
            Self::DeadLettered(reason) => Some(reason),
        }
    }
}

/// What became of a batch: one outcome per task, in their order.
pub type Applied = Vec<Outcome>;

impl Store {
    /// Writes a batch in one transaction.
    pub async fn apply(&self, tasks: &[Task<'_>]) -> Result<Applied, StoreError> {
        self.apply_counted(tasks, None).await
    }

    /// The same with webhooks that no door accepted; counts them in the entry `log` of the audit log,
    /// which the equation adds to what was accepted.
    pub async fn apply_imported(
        &self,
        tasks: &[Task<'_>],
        log: i64,
    ) -> Result<Applied, StoreError> {
        self.apply_counted(tasks, Some(log)).await
    }

    async fn apply_counted(
        &self,
        tasks: &[Task<'_>],
        log: Option<i64>,
    ) -> Result<Applied, StoreError> {
        let _turn = self.turn().await;
        let applied =
            tokio::time::timeout(TIMEOUT, Box::pin(self.apply_in_transaction(tasks, log))).await;
        let applied = applied.unwrap_or(Err(StoreError::Timeout(TIMEOUT.as_secs())));
        if applied.as_ref().is_err_and(|error| error.class() != ErrorClass::Outage) {
            // A row may have been deleted by hand: don't trust the ids the next time.
            self.ids.forget();
        }
        applied
    }

    async fn apply_in_transaction(
        &self,
        tasks: &[Task<'_>],
        log: Option<i64>,
    ) -> Result<Applied, StoreError> {
        let told = merged(tasks.iter());
        let known = self.meet(&told).await?;
        let transaction = self.begin().await?;
        let (applied, found) = self.write(&transaction, tasks, told, known).await?;
        if let Some(log) = log {
            audit::count(&transaction, log, tasks.len() as u64).await?;
        }
        transaction.commit().await?;
        self.ids.learn(found);
        Ok(applied)
    }

    async fn write(
        &self,
        db: &CheckedTransaction,
        tasks: &[Task<'_>],
        told: Changes,
        known: Known,
    ) -> Result<(Applied, Known), StoreError> {
        let now = self.clock.now();
        let owners = self.write_ledger(db, tasks, now).await?;
        let mine = |task: &&Task<'_>| is_mine(&owners, task.webhook);
        // What repetitions tell has been told.
        let changes = if tasks.iter().all(|task| mine(&task)) {
            told
        } else {
            merged(tasks.iter().filter(mine))
        };
        let writer = Writer { db, dialect: self.dialect, now };
        let written = writer.write(changes, known).await?;
        let mut applied = Vec::with_capacity(tasks.len());
        for task in tasks {
            applied.push(match &task.normalized {
                _ if !is_mine(&owners, task.webhook) => Outcome::Duplicate,
                Normalized::Changes(changes) if written.lost(changes) => {
                    let row_id = owners[task.webhook.key()].0;
                    ledger::mark_ignored(db, row_id, Ignored::AuthorConflict.reason()).await?;
                    Outcome::Ignored(Ignored::AuthorConflict)
                }
                normalized => outcome(normalized),
            });
        }
        self.write_duplicates(db, tasks, &owners, now).await?;
        let ends = tasks.iter().map(|task| task.webhook).zip(&applied);
        let replays: Vec<(&WebhookKey, Outcome)> = ends
            .filter(|(webhook, _)| webhook.is_replay())
            .map(|(webhook, outcome)| (webhook.key(), *outcome))
            .collect();
        dead_letter::end_replays(db, &replays, now).await?;
        Ok((applied, written.known))
    }

    async fn write_ledger(
        &self,
        db: &CheckedTransaction,
        tasks: &[Task<'_>],
        now: DateTime<Utc>,
    ) -> Result<Owners, StoreError> {
        Ok(ledger::write_all(db, self.dialect, self.entries(tasks), now).await?)
    }

    fn entries<'a>(&self, tasks: &'a [Task<'a>]) -> Vec<Entry<'a>> {
        let entry = |task: &Task<'a>| Entry {
            webhook: task.webhook,
            outcome: outcome(&task.normalized),
            attempts: task.attempts,
            keeps_body: self.keeps_body(&task.normalized),
        };
        tasks.iter().map(entry).collect()
    }

    /// Ephemeral ones would fill the ledger: presence comes by the second, and the engine's own
    /// traffic in megabytes.
    fn keeps_body(&self, normalized: &Normalized) -> bool {
        let is_ephemeral = *normalized == Normalized::Ignored(Ignored::Ephemeral);
        self.keeps_bodies && (self.keeps_ephemeral_bodies || !is_ephemeral)
    }

    async fn write_duplicates(
        &self,
        db: &CheckedTransaction,
        tasks: &[Task<'_>],
        owners: &Owners,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let duplicates: Vec<(i64, &Webhook)> = tasks
            .iter()
            .filter(|task| !is_mine(owners, task.webhook))
            .filter_map(|task| Some((owners.get(task.webhook.key())?.0, task.webhook)))
            .collect();
        Ok(ledger::write_duplicates(db, self.dialect, &duplicates, now).await?)
    }
}

/// Whether the ledger's row of a webhook was made by this very request.
pub(super) fn is_mine(owners: &Owners, webhook: &Webhook) -> bool {
    owners.get(webhook.key()).is_some_and(|(_, receipt)| *receipt == webhook.receipt())
}

/// How a normalized webhook ends unless it is a repetition or another author's message.
pub(crate) fn outcome(normalized: &Normalized) -> Outcome {
    match normalized {
        Normalized::Changes(_) => Outcome::Applied,
        Normalized::Ignored(ignored) => Outcome::Ignored(*ignored),
    }
}

fn merged<'a>(tasks: impl Iterator<Item = &'a Task<'a>>) -> Changes {
    let mut all = Changes::default();
    for task in tasks {
        match &task.normalized {
            Normalized::Changes(changes) => all.merge_in(changes.clone()),
            Normalized::Ignored(_) => {}
        }
    }
    all
}
