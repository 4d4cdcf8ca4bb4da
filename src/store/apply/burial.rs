//! Writes dead letters: their rows and the ledger's in one transaction, before their deliveries are
//! acked.
//!
//! Called by the worker. Invariant: a burial holds nothing that a database refuses; should one still be
//! refused, there is a [least](Burial::least) form of it, so that whatever arrives can end.

pub(in crate::store) mod body_parts;
pub(in crate::store) mod cause;
pub(super) mod replay_end;
pub mod state;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use entity::dead_letters::Column as C;

use super::ledger::{self, LedgerEntry, LedgerOwner, LedgerOwners, is_mine};
use super::outcome::Outcome;
use crate::queue::Failure;
use crate::store::Store;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::sql::error::StoreError;
use crate::webhook::{Headers, Webhook, WebhookKey, WebhookParts};

use body_parts::CutBody;
pub use cause::failure_group;
use cause::{BurialCause, make};
use replay_end::{end_in_failure, ids_of};
use state::DeadLetterState;

pub(in crate::store) const TABLE: &str = "dead_letters";

/// Why a dead letter has only a hash of its webhook's identity.
const UNSTORABLE: &str = "unstorable";

/// A webhook that is given up, and why; nothing in it is refused by a database.
#[derive(Clone, Debug)]
pub struct Burial {
    webhook: Webhook,
    reason: &'static str,
    cause: BurialCause,
}

impl Burial {
    /// `failures`: every attempt that failed since it was published, oldest first; the last one
    /// decided. `reason`: a stable name of the cause.
    pub fn new(webhook: Webhook, failures: Vec<Failure>, reason: &'static str) -> Self {
        let error = failures.last().map(|failure| failure.error.clone()).unwrap_or_default();
        let attempts = failures.len();
        Self { webhook, reason, cause: BurialCause::new(reason, &error, failures, attempts) }
    }

    /// The least that can be stored, for one that was refused for a reason of its own: body, receipt,
    /// and a hash of the key in place of the key.
    ///
    /// None for a replay: its dead letter is there already, under its own key.
    pub fn least(&self, refusal: &str, now_ms: i64) -> Option<Self> {
        if self.webhook.is_replay() {
            return None;
        }
        let key = WebhookKey { id: hash_of(self.webhook.key()), ..WebhookKey::default() };
        let webhook = WebhookParts {
            key,
            receipt: self.webhook.receipt(),
            at_ms: now_ms,
            received_at_ms: now_ms,
            replay: false,
            headers: Headers::new(),
            body: self.webhook.body().clone(),
        };
        let error = format!("it could not be stored as it came: {refusal}");
        let failure = Failure { at_ms: now_ms, error };
        Some(Self::new(webhook.into(), vec![failure], UNSTORABLE))
    }

    /// How many attempts failed, that which decided included.
    pub fn attempts(&self) -> u32 {
        self.cause.attempts()
    }

    /// The webhook that is given up.
    pub fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    fn entry(&self) -> LedgerEntry<'_> {
        let outcome = Outcome::DeadLettered(self.reason);
        let attempts = self.cause.attempts();
        let may_be_known = self.webhook.is_replay();
        LedgerEntry { webhook: &self.webhook, outcome, attempts, keeps_body: false, may_be_known }
    }
}

/// Stands for a key of which nothing else is stored.
fn hash_of(key: &WebhookKey) -> String {
    let WebhookKey { source, session, event_type, id } = key;
    let texts = serde_json::json!([source, session, event_type, id]).to_string();
    format!("key_{}", &hex::encode(Sha256::digest(texts))[..32])
}

impl Store {
    /// Writes dead letters, all or none; tells their outcomes in their order. One that a replay
    /// brought back is pending again, with its old failures before the new ones.
    pub async fn bury(&self, burials: &[Burial]) -> Result<Vec<Outcome>, StoreError> {
        let _turn = self.turn().await;
        let buried = self.bury_in_transaction(burials).await;
        self.doubt_months(&buried);
        buried
    }

    async fn bury_in_transaction(&self, burials: &[Burial]) -> Result<Vec<Outcome>, StoreError> {
        let layout = self.month_layout(burials.iter().map(|burial| burial.webhook.month())).await?;
        let (db, now) = (self.begin().await?, self.clock.now());
        let entries = burials.iter().map(Burial::entry).collect();
        let owners = ledger::write_all(&db, self.dialect, &layout, entries, now).await?;
        // Delivered twice within a batch it is one letter.
        let mine: BTreeMap<&WebhookKey, &Burial> = burials
            .iter()
            .filter(|burial| is_mine(&owners, &burial.webhook))
            .map(|burial| (burial.webhook.key(), burial))
            .collect();
        let letters: Vec<&Burial> = mine.values().copied().collect();
        self.write_letters(&db, &letters, now).await?;
        for burial in mine.values().filter(|burial| burial.webhook.is_replay()) {
            end_in_failure(&db, burial.webhook.key(), burial.reason, now).await?;
        }
        let repeated = duplicates(burials, &owners);
        ledger::write_duplicates(&db, self.dialect, &layout, &repeated, now).await?;
        db.commit().await?;
        let outcome = |burial: &Burial| {
            if is_mine(&owners, &burial.webhook) {
                Outcome::DeadLettered(burial.reason)
            } else {
                Outcome::Duplicate
            }
        };
        Ok(burials.iter().map(outcome).collect())
    }

    async fn write_letters(
        &self,
        db: &CheckedTransaction,
        burials: &[&Burial],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let upsert = make(self.dialect);
        // Written twice if the ack got lost: then its last failure is the one that is there.
        let again = format!(
            "{} <> {}",
            upsert.new_value(C::LastFailedAt),
            upsert.old_value(C::LastFailedAt)
        );
        let (old, new) = (upsert.old_value(C::Failures), upsert.new_value(C::Failures));
        let joined = self.dialect.concat(&[&old, &new]);
        let attempts =
            format!("{} + {}", upsert.old_value(C::Attempts), upsert.new_value(C::Attempts));
        let case =
            |then: &str, other: &str| format!("CASE WHEN {again} THEN {then} ELSE {other} END");
        let (failures, attempts) =
            (case(&joined, &old), case(&attempts, &upsert.old_value(C::Attempts)));
        let row = |burial: &&Burial| {
            burial.cause.row(&burial.webhook, &self.limit, DeadLetterState::Pending, now)
        };
        upsert
            .assign(C::Failures, failures)
            .assign(C::Attempts, attempts)
            .when(&again, &[C::Reason, C::Error, C::Fingerprint, C::State, C::UpdatedAt])
            .when(&again, &[C::LastFailedAt])
            .run(db, burials.iter().map(row).collect())
            .await?;
        let webhooks: Vec<&Webhook> = burials.iter().map(|burial| &burial.webhook).collect();
        self.write_parts(db, &webhooks, now).await
    }

    /// Writes what of these bodies did not go into their rows.
    pub(in crate::store) async fn write_parts(
        &self,
        db: &CheckedTransaction,
        webhooks: &[&Webhook],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        for webhook in webhooks {
            let body = CutBody::of(webhook.body(), &self.limit);
            if body.is_whole() {
                continue;
            }
            let id = ids_of(db, vec![webhook.key()]).await?.into_values().next();
            body.write(db, id.ok_or(StoreError::Vanished(TABLE))?, now).await?;
        }
        Ok(())
    }
}

/// Repetitions of webhooks that ended before, with the ledger's rows of those.
fn duplicates<'a>(burials: &'a [Burial], owners: &LedgerOwners) -> Vec<(LedgerOwner, &'a Webhook)> {
    burials
        .iter()
        .map(Burial::webhook)
        .filter(|webhook| !is_mine(owners, webhook))
        .filter_map(|webhook| Some((*owners.get(webhook.key())?, webhook)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Receipt;

    fn webhook(replay: bool) -> Webhook {
        WebhookParts {
            key: WebhookKey { source: "s".into(), id: "1".into(), ..WebhookKey::default() },
            receipt: Receipt(7),
            at_ms: 1,
            received_at_ms: 2,
            replay,
            headers: [("user-agent".to_owned(), "x".to_owned())].into(),
            body: "whole".into(),
        }
        .into()
    }

    #[test]
    fn the_least_form_has_the_body_and_nothing_else_that_came() {
        let burial = Burial::new(webhook(false), Vec::new(), "malformed");
        let least = burial.least("code 1", 9).unwrap();
        assert_eq!(
            (&least.webhook.body()[..], least.webhook.receipt()),
            (&b"whole"[..], Receipt(7))
        );
        assert_eq!(least.webhook.key().source, "");
        assert!(least.webhook.key().id.starts_with("key_") && least.webhook.headers().is_empty());
        assert_eq!(least.webhook.at_ms(), 9);
        assert!(Burial::new(webhook(true), Vec::new(), "malformed").least("code 1", 9).is_none());
    }
}
