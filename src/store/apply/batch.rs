//! A batch in one transaction: ledger rows, then sessions, chats, messages and the rest.
//!
//! Called by the worker, and by whoever imports webhooks or reads them again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::timeout;

use super::burial::replay_end;
use super::ledger::{self, LedgerEntry, LedgerOwners, is_mine};
use super::outcome::{Outcome, outcome};
use super::write::{WrittenChanges, write_changes};
use crate::change::{Changes, Merge};
use crate::normalize::{Ignored, Normalized};
use crate::store::connect::transaction::{CheckedTransaction, WriteContext};
use crate::store::identity::known::KnownRows;
use crate::store::sql::error::StoreError;
use crate::store::{Store, audit, feed};
use crate::webhook::{Webhook, WebhookKey};

/// A transaction that takes longer is taken for an outage.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A normalized webhook, ready to be written.
#[derive(Debug)]
pub struct ApplyTask<'a> {
    /// Which webhook.
    pub webhook: &'a Webhook,
    /// How often it was delivered, this time included.
    pub attempts: u32,
    /// What it tells.
    pub normalized: Normalized,
}

/// What became of a batch: one outcome per task, in their order.
pub type BatchOutcomes = Vec<Outcome>;

impl Store {
    /// Writes a batch in one transaction.
    pub async fn apply(&self, tasks: &[ApplyTask<'_>]) -> Result<BatchOutcomes, StoreError> {
        self.apply_counted(tasks, None).await
    }

    /// The same with webhooks that no door accepted; counts those that are new in the entry `log` of the
    /// audit log, which the equation adds to what was accepted. One that the ledger has by now, as when two
    /// import the same at once, is a duplicate that leaves nothing.
    pub async fn apply_imported(
        &self,
        tasks: &[ApplyTask<'_>],
        log: i64,
    ) -> Result<BatchOutcomes, StoreError> {
        self.apply_counted(tasks, Some(log)).await
    }

    async fn apply_counted(
        &self,
        tasks: &[ApplyTask<'_>],
        log: Option<i64>,
    ) -> Result<BatchOutcomes, StoreError> {
        let _turn = self.turn().await;
        let attempt = timeout(TIMEOUT, Box::pin(self.apply_in_transaction(tasks, log)));
        let seen = self.seen();
        let applied = tokio::select! {
            applied = attempt => applied.unwrap_or(Err(StoreError::Timeout(TIMEOUT.as_secs()))),
            // Its server may never answer again.
            () = seen.switched() => Err(StoreError::Switched),
        };
        if applied.as_ref().is_err_and(|error| !error.class().is_blameless()) {
            // A row may have been deleted by hand: don't trust the ids the next time.
            self.ids.forget();
        }
        applied
    }

    async fn apply_in_transaction(
        &self,
        tasks: &[ApplyTask<'_>],
        log: Option<i64>,
    ) -> Result<BatchOutcomes, StoreError> {
        let told = merged(tasks.iter());
        let known = self.ensure_contacts(&told).await?;
        let transaction = self.begin().await?;
        let counted = match log {
            Some(log) => {
                let webhooks: Vec<&Webhook> = tasks.iter().map(|task| task.webhook).collect();
                counted_before(&transaction, log, &webhooks).await?
            }
            None => 0,
        };
        let context = self.write_context(&transaction);
        let (applied, found) = self.write(&context, tasks, told, known, log.is_none()).await?;
        if let Some(log) = log {
            let new = applied.iter().filter(|outcome| **outcome != Outcome::Duplicate).count();
            audit::count(&transaction, log, new as u64 - counted).await?;
        }
        feed::append(context.db, self.dialect, &context.log, context.now).await?;
        self.commit(transaction, &found).await?;
        self.ids.learn(found);
        Ok(applied)
    }

    /// What is known of the rows that changes name, on the server that is used now.
    pub(super) fn known_of(&self, changes: &Changes) -> KnownRows {
        self.ids.known_of(changes, self.seen().epoch())
    }

    /// Commits what was written with these ids, unless they are another server's.
    pub(super) async fn commit(
        &self,
        transaction: CheckedTransaction,
        known: &KnownRows,
    ) -> Result<(), StoreError> {
        if known.epoch != self.seen().epoch() {
            return Err(StoreError::Switched);
        }
        transaction.commit().await
    }

    async fn write(
        &self,
        context: &WriteContext<'_>,
        tasks: &[ApplyTask<'_>],
        told: Changes,
        known: KnownRows,
        keeps_duplicates: bool,
    ) -> Result<(BatchOutcomes, KnownRows), StoreError> {
        let (db, now) = (context.db, context.now);
        let owners = self.write_ledger(db, tasks, now).await?;
        let mine = |task: &&ApplyTask<'_>| is_mine(&owners, task.webhook);
        // What repetitions tell has been told.
        let changes = if tasks.iter().all(|task| mine(&task)) {
            told
        } else {
            merged(tasks.iter().filter(mine))
        };
        let written = write_changes(context, changes, known).await?;
        let mut applied = Vec::with_capacity(tasks.len());
        for task in tasks {
            applied.push(ended(db, task, &owners, &written).await?);
        }
        if keeps_duplicates {
            self.write_duplicates(db, tasks, &owners, now).await?;
        }
        replay_end::end_replays(db, &replays(tasks, &applied), now).await?;
        Ok((applied, written.known))
    }

    async fn write_ledger(
        &self,
        db: &CheckedTransaction,
        tasks: &[ApplyTask<'_>],
        now: DateTime<Utc>,
    ) -> Result<LedgerOwners, StoreError> {
        Ok(ledger::write_all(db, self.dialect, self.entries(tasks), now).await?)
    }

    fn entries<'a>(&self, tasks: &'a [ApplyTask<'a>]) -> Vec<LedgerEntry<'a>> {
        let entry = |task: &ApplyTask<'a>| LedgerEntry {
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
        tasks: &[ApplyTask<'_>],
        owners: &LedgerOwners,
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

/// How a webhook of the batch ended, by what was written.
async fn ended(
    db: &CheckedTransaction,
    task: &ApplyTask<'_>,
    owners: &LedgerOwners,
    written: &WrittenChanges,
) -> Result<Outcome, StoreError> {
    Ok(match &task.normalized {
        _ if !is_mine(owners, task.webhook) => Outcome::Duplicate,
        Normalized::Changes(changes) if written.lost(changes) => {
            let row_id = owners[task.webhook.key()].0;
            ledger::mark_ignored(db, row_id, Ignored::AuthorConflict.reason()).await?;
            Outcome::Ignored(Ignored::AuthorConflict)
        }
        normalized => outcome(normalized),
    })
}

/// The webhooks of a batch that were dead letters.
fn replays<'a>(tasks: &[ApplyTask<'a>], applied: &[Outcome]) -> Vec<(&'a WebhookKey, Outcome)> {
    let ends = tasks.iter().map(|task| task.webhook).zip(applied);
    ends.filter(|(webhook, _)| webhook.is_replay())
        .map(|(webhook, outcome)| (webhook.key(), *outcome))
        .collect()
}

/// How many of these webhooks, which no door accepted, an earlier try has counted in the entry `log`: its
/// commit may have got no answer. Whoever counts begins with this, so it waits for a try whose commit is
/// still on its way.
pub(in crate::store) async fn counted_before(
    db: &CheckedTransaction,
    log: i64,
    webhooks: &[&Webhook],
) -> Result<u64, StoreError> {
    audit::count(db, log, 0).await?;
    let keys: Vec<&WebhookKey> = webhooks.iter().map(|webhook| webhook.key()).collect();
    let owners = ledger::owners(db, keys.iter().copied()).await?;
    Ok(webhooks.iter().filter(|webhook| is_mine(&owners, webhook)).count() as u64)
}

fn merged<'a>(tasks: impl Iterator<Item = &'a ApplyTask<'a>>) -> Changes {
    let mut all = Changes::default();
    for task in tasks {
        match &task.normalized {
            Normalized::Changes(changes) => all.merge_in(changes.clone()),
            Normalized::Ignored(_) => {}
        }
    }
    all
}
