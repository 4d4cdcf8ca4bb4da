//! Writes a dead letter: its row and the ledger's in one transaction, before the delivery is acked.

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, Value};

use super::State;
use super::TABLE;
use super::end::end_in_failure;
use super::fingerprint::fingerprint;
use crate::queue::Failure;
use crate::store::apply::is_mine;
use crate::store::ledger::{self, Entry, time};
use crate::store::upsert::Upsert;
use crate::store::{Outcome, Store, StoreError};
use crate::webhook::Webhook;

pub(super) const KEY: [&str; 4] = ["source", "session", "event_type", "webhook_id"];
pub(super) const COLUMNS: [&str; 18] = [
    "source",
    "session",
    "event_type",
    "webhook_id",
    "receipt",
    "body",
    "headers",
    "reason",
    "error",
    "failures",
    "fingerprint",
    "attempts",
    "webhook_at",
    "received_at",
    "first_failed_at",
    "last_failed_at",
    "state",
    "updated_at",
];

/// A webhook that is given up, and why.
pub struct Burial<'a> {
    /// Which webhook.
    pub webhook: &'a Webhook,
    /// Every attempt that failed since it was published, oldest first; the last one decided.
    pub failures: &'a [Failure],
    /// A stable name of the cause.
    pub reason: &'static str,
}

impl Store {
    /// Writes a dead letter; one that a replay brought back is pending again, with its old
    /// failures before the new ones.
    pub async fn bury(&self, burial: &Burial<'_>) -> Result<Outcome, StoreError> {
        let _turn = self.turn().await;
        let (db, now) = (self.begin().await?, self.clock.now());
        let outcome = Outcome::DeadLettered(burial.reason);
        let attempts = u32::try_from(burial.failures.len()).unwrap_or(u32::MAX);
        let entry = Entry { webhook: burial.webhook, outcome, attempts, keeps_body: false };
        let owners = ledger::write(&db, self.dialect, &[entry], now).await?;
        let outcome = if is_mine(&owners, burial.webhook) {
            self.write_letter(&db, burial, now).await?;
            if burial.webhook.is_replay() {
                end_in_failure(&db, burial.webhook.key(), burial.reason, now).await?;
            }
            outcome
        } else {
            let row_id = owners.get(burial.webhook.key()).map(|(id, _)| *id);
            let duplicates: Vec<_> = row_id.map(|id| (id, burial.webhook)).into_iter().collect();
            ledger::write_duplicates(&db, self.dialect, &duplicates, now).await?;
            Outcome::Duplicate
        };
        db.commit().await?;
        Ok(outcome)
    }

    async fn write_letter(
        &self,
        db: &DatabaseTransaction,
        burial: &Burial<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let upsert = Upsert::new(self.dialect, TABLE, &KEY, &COLUMNS);
        // Written twice if the ack got lost: then its last failure is the one that is there.
        let again = format!(
            "{} <> {}",
            upsert.new_value("last_failed_at"),
            upsert.old_value("last_failed_at")
        );
        let (old, new) = (upsert.old_value("failures"), upsert.new_value("failures"));
        let joined = self.dialect.concat(&[&old, &new]);
        let attempts =
            format!("{} + {}", upsert.old_value("attempts"), upsert.new_value("attempts"));
        let case =
            |then: &str, other: &str| format!("CASE WHEN {again} THEN {then} ELSE {other} END");
        let (failures, attempts) =
            (case(&joined, &old), case(&attempts, &upsert.old_value("attempts")));
        upsert
            .assign("failures", failures)
            .assign("attempts", attempts)
            .when(&again, &["reason", "error", "fingerprint", "state", "updated_at"])
            .when(&again, &["last_failed_at"])
            .run(db, vec![row(burial, now)])
            .await?;
        Ok(())
    }
}

fn row(burial: &Burial<'_>, now: DateTime<Utc>) -> Vec<Value> {
    let error = burial.failures.last().map(|failure| failure.error.clone()).unwrap_or_default();
    let attempts = burial.failures.len();
    let cause = Cause { reason: burial.reason, error: &error, failures: burial.failures, attempts };
    cause.row(burial.webhook, State::Pending, now)
}

/// Why a webhook is a dead letter.
pub(super) struct Cause<'a> {
    pub(super) reason: &'a str,
    pub(super) error: &'a str,
    pub(super) failures: &'a [Failure],
    pub(super) attempts: usize,
}

impl Cause<'_> {
    /// The values of [`COLUMNS`].
    pub(super) fn row(&self, webhook: &Webhook, state: State, now: DateTime<Utc>) -> Vec<Value> {
        let key = webhook.key();
        let failed_at =
            |failure: Option<&Failure>| failure.map_or(now, |failure| time(failure.at_ms));
        vec![
            key.source.clone().into(),
            key.session.clone().into(),
            key.event_type.clone().into(),
            key.id.clone().into(),
            webhook.receipt().0.into(),
            webhook.body().to_vec().into(),
            serde_json::json!(webhook.headers()).to_string().into(),
            self.reason.into(),
            self.error.into(),
            lines(self.failures).into(),
            fingerprint(self.reason, &key.event_type, self.error).into(),
            i32::try_from(self.attempts).unwrap_or(i32::MAX).into(),
            time(webhook.at_ms()).into(),
            time(webhook.received_at_ms()).into(),
            failed_at(self.failures.first()).into(),
            failed_at(self.failures.last()).into(),
            state.name().into(),
            now.into(),
        ]
    }
}

/// Failures as JSON lines, so that later ones can be appended by the database.
fn lines(failures: &[Failure]) -> String {
    let lines: Vec<String> =
        failures.iter().map(|failure| serde_json::json!(failure).to_string()).collect();
    lines.join("\n") + "\n"
}
