//! Why a webhook is a dead letter, with nothing in it that a database refuses, and the row it makes.
//!
//! Made by `bury` and `import`. Failures may come from a message that somebody else put on the broker,
//! or from another installation's export: texts are mended here, once, and times of failures where
//! they are read. What a webhook itself is can be stored by its construction (`webhook/storable`).

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::body_parts::CutBody;
use super::state::DeadLetterState;
use crate::queue::Failure;
use crate::store::apply::ledger::time;
use crate::store::connect::limit::MessageLimit;
use crate::webhook::storable::{cut, printable};
use crate::webhook::{Webhook, hash_texts};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 64;
/// Longest error, in bytes.
const ERROR_BYTES_MAX: usize = 4096;

pub(in crate::store) const COLUMNS: [&str; 18] = [
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
pub(in crate::store) struct BurialCause {
    reason: String,
    error: String,
    failures: Vec<Failure>,
    attempts: usize,
}

impl BurialCause {
    pub(in crate::store) fn new(
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

    pub(in crate::store) fn attempts(&self) -> u32 {
        u32::try_from(self.attempts).unwrap_or(u32::MAX)
    }

    /// The values of [`COLUMNS`]; of a body that is too long for a row only its beginning.
    pub(in crate::store) fn row(
        &self,
        webhook: &Webhook,
        limit: &MessageLimit,
        state: DeadLetterState,
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

/// Names a group of dead letters: 16 hex digits that are the same for one cause, which is the reason, the
/// event type and the error, whatever numbers are in it.
fn fingerprint(reason: &str, event_type: &str, error: &str) -> String {
    format!("{:016x}", hash_texts([reason, event_type, &without_numbers(error)]))
}

/// Each run of digits becomes `#`.
fn without_numbers(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' if normal.ends_with('#') => {}
            '0'..='9' => normal.push('#'),
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_make_no_difference_and_causes_do() {
        let at = |error: &str| fingerprint("malformed", "message", error);
        assert_eq!(at("line 1 column 20"), at("line 3 column 4711"));
        assert_ne!(at("line 1"), at("page 1"));
        assert_ne!(at("x"), fingerprint("malformed", "message.any", "x"));
        assert_eq!(at("x").len(), 16);
    }
}
