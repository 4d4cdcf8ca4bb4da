//! Takes dead letters in from elsewhere: each as one more accepted webhook of this installation, with
//! its row in the ledger, a receipt of its own, and its count in the audit log, in one transaction.
//!
//! Invariant: a webhook that the ledger knows is left alone, so importing twice or what was
//! never away changes nothing; and the equation counts what was imported as accepted.

use std::collections::HashSet;

use entity::dead_letters::ActiveModel;

use crate::queue::Failure;
use crate::store::apply::batch::counted_before;
use crate::store::apply::burial::cause::{BurialCause, make};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::apply::ledger::{self, LedgerEntry, is_mine};
use crate::store::apply::outcome::Outcome;
use crate::store::sql::error::StoreError;
use crate::store::{Store, audit};
use crate::webhook::{Webhook, WebhookKey};

/// What the ledger says of an imported webhook.
const REASON: &str = "imported";

/// A dead letter from elsewhere.
#[derive(Clone, Debug)]
pub struct DeadLetterImport {
    /// The webhook, with a new receipt.
    pub webhook: Webhook,
    /// Why it was given up.
    pub reason: String,
    /// The last error.
    pub error: String,
    /// Every failed attempt that is known, oldest first.
    pub failures: Vec<Failure>,
    /// How often it was tried.
    pub attempts: usize,
}

impl DeadLetterImport {
    fn entry(&self) -> LedgerEntry<'_> {
        LedgerEntry {
            webhook: &self.webhook,
            outcome: Outcome::DeadLettered(REASON),
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            keeps_body: false,
            may_be_known: true,
        }
    }
}

/// What came of importing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Those that are pending here now.
    pub imported: u64,
    /// Those that the ledger knew already.
    pub known: u64,
}

impl Store {
    /// Imports some, all or none; counts them in the entry `log` of the audit log.
    pub async fn import_letters(
        &self,
        letters: &[DeadLetterImport],
        log: i64,
    ) -> Result<ImportCounts, StoreError> {
        let _turn = self.turn().await;
        let layout = self.month_layout(letters.iter().map(|it| it.webhook.month())).await?;
        let db = self.begin().await?;
        let now = self.clock.now();
        let mut seen = HashSet::new();
        let mut first: Vec<&DeadLetterImport> =
            letters.iter().filter(|letter| seen.insert(letter.webhook.key())).collect();
        first.sort_unstable_by_key(|letter| letter.webhook.key());
        let webhooks: Vec<&Webhook> = first.iter().map(|letter| &letter.webhook).collect();
        let counted = counted_before(&db, log, &webhooks).await?;
        let entries: Vec<LedgerEntry<'_>> = first.iter().map(|letter| letter.entry()).collect();
        let owners = ledger::write(&db, self.dialect, &layout, &entries, now).await?;
        first.retain(|letter| is_mine(&owners, &letter.webhook));
        let row = |letter: &&DeadLetterImport| -> ActiveModel {
            let DeadLetterImport { webhook, reason, error, failures, attempts } = letter;
            let cause = BurialCause::new(reason, error, failures.iter().cloned(), *attempts);
            cause.row(webhook, &self.limit, DeadLetterState::Pending, now)
        };
        let rows = first.iter().map(row).collect();
        make(self.dialect).run(&db, rows).await?;
        let webhooks: Vec<&Webhook> = first.iter().map(|letter| &letter.webhook).collect();
        self.write_parts(&db, &webhooks, now).await?;
        let imported = first.len() as u64;
        audit::count(&db, log, imported - counted).await?;
        db.commit().await?;
        Ok(ImportCounts { imported, known: letters.len() as u64 - imported })
    }

    /// How many of these the ledger knows.
    pub async fn count_known(&self, keys: &[&WebhookKey]) -> Result<u64, StoreError> {
        Ok(self.known_keys(keys).await?.len() as u64)
    }

    /// Which of these the ledger knows.
    pub async fn known_keys(
        &self,
        keys: &[&WebhookKey],
    ) -> Result<HashSet<WebhookKey>, StoreError> {
        Ok(ledger::owners(&self.pool().db, keys.iter().copied()).await?.into_keys().collect())
    }
}
