//! A batch in one transaction: ledger rows, then sessions, chats, messages and the rest.
//!
//! Called by the worker, and by whoever imports webhooks or reads them again.

mod origin;

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::timeout;

use super::backfill::{self, Backfill};
use super::burial::replay_end;
use super::ledger::{self, LedgerEntry, LedgerOwner, LedgerOwners, is_mine};
use super::outcome::{Outcome, outcome};
use super::reread::Tellers;
use super::write::files::write_files;
use super::write::{WrittenChanges, write_changes};
use crate::change::Changes;
use crate::normalize::{Ignored, Normalized};
use crate::store::connect::transaction::{CheckedTransaction, WriteContext};
use crate::store::feed::FeedPlace;
use crate::store::identity::known::KnownRows;
use crate::store::months::MonthLayout;
use crate::store::sql::error::StoreError;
use crate::store::{Store, audit};
use crate::webhook::{Webhook, WebhookKey};

use origin::Origin;

/// A transaction that takes longer is taken for an outage.
pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

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

/// What became of a batch, and of the tables.
#[derive(Debug)]
pub struct AppliedBatch {
    /// How each webhook ended.
    pub outcomes: BatchOutcomes,
    /// Of how many messages something was taken back that history does not tell any more.
    pub taken_back: usize,
}

impl Store {
    /// Writes a batch in one transaction.
    pub async fn apply(&self, tasks: &[ApplyTask<'_>]) -> Result<BatchOutcomes, StoreError> {
        Ok(self.apply_of(Origin::Accepted, tasks).await?.outcomes)
    }

    /// The same for webhooks of the ledger, read by a newer normalizer: what they tell replaces what they told,
    /// and what they don't tell any more is taken back.
    pub async fn apply_again(&self, tasks: &[ApplyTask<'_>]) -> Result<AppliedBatch, StoreError> {
        self.apply_of(Origin::History, tasks).await
    }

    /// The same for webhooks of an archive: only what they tell is written, no row of the ledger.
    pub async fn apply_archived(
        &self,
        tasks: &[ApplyTask<'_>],
    ) -> Result<AppliedBatch, StoreError> {
        self.apply_of(Origin::Archive, tasks).await
    }

    /// The same with webhooks that no door accepted; counts those that are new in the entry `log` of the
    /// audit log, which the equation adds to what was accepted. One that the ledger has by now, as when two
    /// import the same at once, is a duplicate that leaves nothing.
    pub async fn apply_imported(
        &self,
        tasks: &[ApplyTask<'_>],
        log: i64,
    ) -> Result<BatchOutcomes, StoreError> {
        Ok(self.apply_of(Origin::Imported(log), tasks).await?.outcomes)
    }

    /// The same with webhooks that were made from WAHA's list of messages, counted in the reconciliation's own
    /// row. An error if another worker has that by now; then nothing is written.
    pub async fn apply_backfilled(
        &self,
        tasks: &[ApplyTask<'_>],
        backfill: Backfill,
    ) -> Result<BatchOutcomes, StoreError> {
        Ok(self.apply_of(Origin::Backfilled(backfill), tasks).await?.outcomes)
    }

    async fn apply_of(
        &self,
        origin: Origin,
        tasks: &[ApplyTask<'_>],
    ) -> Result<AppliedBatch, StoreError> {
        let _turn = self.turn().await;
        let attempt = timeout(TIMEOUT, Box::pin(self.apply_in_transaction(origin, tasks)));
        let seen = self.seen();
        let applied = tokio::select! {
            applied = attempt => applied.unwrap_or(Err(StoreError::Timeout(TIMEOUT.as_secs()))),
            // Its server may never answer again.
            () = seen.switched() => Err(StoreError::Switched),
        };
        self.doubt_months(&applied);
        if applied.as_ref().is_err_and(|error| !error.class().is_blameless()) {
            // A row may have been deleted by hand: don't trust the ids the next time.
            self.ids.forget();
        }
        applied
    }

    async fn apply_in_transaction(
        &self,
        origin: Origin,
        tasks: &[ApplyTask<'_>],
    ) -> Result<AppliedBatch, StoreError> {
        let told = origin.merged(tasks.iter());
        if self.packs_bodies {
            self.ensure_dictionary().await?;
        }
        let known = self.ensure_contacts(&told).await?;
        let layout = self.month_layout(origin.months(tasks)).await?;
        let transaction = self.begin().await?;
        let counted = match origin {
            Origin::Imported(log) => {
                let webhooks: Vec<&Webhook> = tasks.iter().map(|task| task.webhook).collect();
                counted_before(&transaction, log, &webhooks).await?
            }
            Origin::Backfilled(told) => {
                backfill::count(&transaction, self.dialect, told, 0, self.clock.now()).await?;
                let webhooks: Vec<&Webhook> = tasks.iter().map(|task| task.webhook).collect();
                ended_before(&transaction, &webhooks).await?
            }
            Origin::History => {
                let keys = tasks.iter().map(|task| task.webhook.key());
                ledger::lock(&transaction, self.dialect, keys).await?;
                0
            }
            Origin::Accepted | Origin::Archive => 0,
        };
        let context = match origin {
            Origin::History | Origin::Archive => self.write_context(&transaction).rereading(),
            Origin::Accepted | Origin::Imported(_) | Origin::Backfilled(_) => {
                self.write_context(&transaction)
            }
        };
        let (applied, found, has_files) =
            self.write(&context, origin, tasks, told, known, &layout).await?;
        let is_new = |outcome: &&Outcome| **outcome != Outcome::Duplicate;
        let new = || applied.outcomes.iter().filter(is_new).count() as u64 - counted;
        match origin {
            Origin::Imported(log) => audit::count(&transaction, log, new()).await?,
            Origin::Backfilled(told) => {
                backfill::count(&transaction, self.dialect, told, new(), context.now).await?;
            }
            Origin::Accepted | Origin::History | Origin::Archive => {}
        }
        let place = self.append_changes(&context).await?;
        self.commit(transaction, place, &found).await?;
        self.ids.learn(found);
        if has_files {
            self.file_told.notify_one();
        }
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
        place: Option<FeedPlace>,
        known: &KnownRows,
    ) -> Result<(), StoreError> {
        if known.epoch != self.seen().epoch() {
            return Err(StoreError::Switched);
        }
        self.commit_changes(transaction, place).await
    }

    async fn write(
        &self,
        context: &WriteContext<'_>,
        origin: Origin,
        tasks: &[ApplyTask<'_>],
        told: Changes,
        known: KnownRows,
        layout: &MonthLayout,
    ) -> Result<(AppliedBatch, KnownRows, bool), StoreError> {
        let (db, now) = (context.db, context.now);
        if let Origin::Archive = origin {
            return write_archived(context, tasks, told, known).await;
        }
        let owners = self.write_ledger(db, origin, tasks, layout, now).await?;
        let mine = |task: &&ApplyTask<'_>| is_mine(&owners, task.webhook);
        // What repetitions tell has been told.
        let changes = if tasks.iter().all(|task| mine(&task)) {
            told
        } else {
            origin.merged(tasks.iter().filter(mine))
        };
        let tellers = origin.tellers(tasks);
        let written = write_changes(context, changes, tellers, known).await?;
        let files = match origin {
            Origin::Accepted | Origin::Imported(_) | Origin::Backfilled(_) => &*written.files,
            // Old links are dead, and whether the file is kept was decided when it was told.
            Origin::History | Origin::Archive => &[],
        };
        let has_files = write_files(context, files, &self.kept_files).await?;
        let mut outcomes = Vec::with_capacity(tasks.len());
        for task in tasks {
            outcomes.push(ended(db, task, &owners, &written).await?);
        }
        // What was not accepted can't repeat what was.
        if matches!(origin, Origin::Accepted | Origin::History) {
            self.write_duplicates(db, tasks, &owners, layout, now).await?;
        }
        replay_end::end_replays(db, &replays(tasks, &outcomes), now).await?;
        let applied = AppliedBatch { outcomes, taken_back: written.taken_back };
        Ok((applied, written.known, has_files))
    }

    async fn write_ledger(
        &self,
        db: &CheckedTransaction,
        origin: Origin,
        tasks: &[ApplyTask<'_>],
        layout: &MonthLayout,
        now: DateTime<Utc>,
    ) -> Result<LedgerOwners, StoreError> {
        // What is read again has its body in the one place or the other.
        let is_new = !matches!(origin, Origin::History | Origin::Archive);
        let keeps = |task: &ApplyTask<'_>| is_new && self.keeps_body(&task.normalized);
        let entry = |task| LedgerEntry {
            keeps_body: keeps(task) && !self.packs_bodies,
            may_be_known: task.webhook.is_replay() || !matches!(origin, Origin::Accepted),
            ..entry(task)
        };
        let entries = tasks.iter().map(entry).collect();
        let owners = ledger::write_all(db, self.dialect, layout, entries, now).await?;
        if self.packs_bodies {
            let kept = tasks.iter().filter(|task| keeps(task)).map(|task| task.webhook);
            let bodies = without_body(kept, &owners);
            self.write_bodies(db, layout, bodies, self.pack_check()).await?;
        }
        Ok(owners)
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
        layout: &MonthLayout,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let duplicates: Vec<(LedgerOwner, &Webhook)> = tasks
            .iter()
            .filter(|task| !is_mine(owners, task.webhook))
            .filter_map(|task| Some((*owners.get(task.webhook.key())?, task.webhook)))
            .collect();
        Ok(ledger::write_duplicates(db, self.dialect, layout, &duplicates, now).await?)
    }
}

/// Writes what webhooks tell that the ledger does not have any more.
async fn write_archived(
    context: &WriteContext<'_>,
    tasks: &[ApplyTask<'_>],
    told: Changes,
    known: KnownRows,
) -> Result<(AppliedBatch, KnownRows, bool), StoreError> {
    let written = write_changes(context, told, Tellers::of(tasks), known).await?;
    let ended = |task: &ApplyTask<'_>| match &task.normalized {
        Normalized::Changes(changes) if written.lost(changes) => {
            Outcome::Ignored(Ignored::AuthorConflict)
        }
        normalized => outcome(normalized),
    };
    let outcomes = tasks.iter().map(ended).collect();
    let applied = AppliedBatch { outcomes, taken_back: written.taken_back };
    Ok((applied, written.known, false))
}

fn entry<'a>(task: &ApplyTask<'a>) -> LedgerEntry<'a> {
    LedgerEntry {
        webhook: task.webhook,
        outcome: outcome(&task.normalized),
        attempts: task.attempts,
        keeps_body: false,
        may_be_known: true,
    }
}

/// The bodies of webhooks whose ledger row is theirs and has none, by its number and month.
fn without_body<'a>(
    webhooks: impl Iterator<Item = &'a Webhook>,
    owners: &LedgerOwners,
) -> Vec<(i64, i32, &'a [u8])> {
    let mine = webhooks.filter(|webhook| is_mine(owners, webhook));
    mine.filter_map(|webhook| {
        let owner = owners.get(webhook.key()).filter(|owner| !owner.has_body)?;
        Some((owner.id, owner.month, &webhook.body()[..]))
    })
    .collect()
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
            let row_id = owners[task.webhook.key()].id;
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
    ended_before(db, webhooks).await
}

/// How many of these webhooks have the rows of the ledger that they make.
async fn ended_before(db: &CheckedTransaction, webhooks: &[&Webhook]) -> Result<u64, StoreError> {
    let keys: Vec<&WebhookKey> = webhooks.iter().map(|webhook| webhook.key()).collect();
    let owners = ledger::owners(db, keys.iter().copied()).await?;
    Ok(webhooks.iter().filter(|webhook| is_mine(&owners, webhook)).count() as u64)
}
