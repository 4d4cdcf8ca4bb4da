//! Why a webhook is a dead letter, with nothing in it that a database refuses, and the row it makes.
//!
//! Made by `bury` and `import`. Failures may come from a message that somebody else put on the broker,
//! or from another installation's export: texts are mended here, once, and times of failures where
//! they are read. What a webhook itself is can be stored by its construction (`webhook/storable`).

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::State;
use super::fingerprint::fingerprint;
use super::parts::CutBody;
use crate::queue::Failure;
use crate::store::connect::MessageLimit;
use crate::store::ledger::time;
use crate::webhook::Webhook;
use crate::webhook::storable::{cut, printable};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 64;
/// Longest error, in bytes.
const ERROR_BYTES_MAX: usize = 4096;

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

/// Why a webhook is a dead letter.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    reason: String,
    error: String,
    failures: Vec<Failure>,
    attempts: usize,
}

impl Cause {
    pub(super) fn new(
        reason: &str,
        error: &str,
        failures: impl IntoIterator<Item = Failure>,
        attempts: usize,
    ) -> Self {
        Self {
            reason: text(reason, REASON_BYTES_MAX),
            error: text(error, ERROR_BYTES_MAX),
            failures: failures.into_iter().map(Failure::storable).collect(),
            attempts,
        }
    }

    pub(super) fn attempts(&self) -> u32 {
        u32::try_from(self.attempts).unwrap_or(u32::MAX)
    }

    /// The values of [`COLUMNS`]; of a body that is too long for a row only its beginning.
    pub(super) fn row(
        &self,
        webhook: &Webhook,
        limit: &MessageLimit,
        state: State,
        now: DateTime<Utc>,
    ) -> Vec<Value> {
        let key = webhook.key();
        let failed_at =
            |failure: Option<&Failure>| failure.map_or(now, |failure| time(failure.at_ms));
        vec![
            key.source.clone().into(),
            key.session.clone().into(),
            key.event_type.clone().into(),
            key.id.clone().into(),
            webhook.receipt().0.into(),
            CutBody::of(webhook.body(), limit).first.to_vec().into(),
            serde_json::json!(webhook.headers()).to_string().into(),
            self.reason.clone().into(),
            self.error.clone().into(),
            lines(&self.failures).into(),
            fingerprint(&self.reason, &key.event_type, &self.error).into(),
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

/// A text that every database takes.
fn text(text: &str, bytes_max: usize) -> String {
    let legible: String = text.chars().map(printable).collect();
    cut(&legible, bytes_max).to_owned()
}

/// Failures as JSON lines, so that later ones can be appended by the database.
fn lines(failures: &[Failure]) -> String {
    let lines: Vec<String> =
        failures.iter().map(|failure| serde_json::json!(failure).to_string()).collect();
    lines.join("\n") + "\n"
}
