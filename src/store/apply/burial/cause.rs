//! Why a webhook is a dead letter, with nothing in it that a database refuses, and the row it makes.
//!
//! Made by `bury` and `import`. Failures may come from a message that somebody else put on the broker,
//! or from another installation's export: texts are mended here, once, and times of failures where
//! they are read. What a webhook itself is can be stored by its construction (`webhook/storable`).

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::dead_letters::{ActiveModel, Column as C, Entity};

use super::body_parts::CutBody;
use super::state::DeadLetterState;
use crate::queue::Failure;
use crate::store::apply::ledger::time;
use crate::store::connect::limit::MessageLimit;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;
use crate::webhook::storable::{cut, printable};
use crate::webhook::{Webhook, hash_texts};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 64;
/// Longest error, in bytes.
const ERROR_BYTES_MAX: usize = 4096;

/// Makes rows that are not there; who resolves them and how writes the rest.
pub(in crate::store) fn make(dialect: Dialect) -> Upsert<Entity> {
    Upsert::new(dialect, &[C::Source, C::Session, C::EventType, C::WebhookId]).without(&[
        C::Replays,
        C::ResolvedAt,
        C::ResolvedBy,
        C::Note,
    ])
}

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

    /// The row; of a body that is too long for a row only its beginning.
    pub(in crate::store) fn row(
        &self,
        webhook: &Webhook,
        limit: &MessageLimit,
        state: DeadLetterState,
        now: DateTime<Utc>,
    ) -> ActiveModel {
        let key = webhook.key();
        let failed_at =
            |failure: Option<&Failure>| failure.map_or(now, |failure| time(failure.at_ms));
        ActiveModel {
            id: NotSet,
            source: Set(key.source.clone()),
            session: Set(key.session.clone()),
            event_type: Set(key.event_type.clone()),
            webhook_id: Set(key.id.clone()),
            receipt: Set(webhook.receipt().0),
            body: Set(CutBody::of(webhook.body(), limit).first.to_vec()),
            headers: Set(serde_json::json!(webhook.headers()).to_string()),
            reason: Set(self.reason.clone()),
            error: Set(self.error.clone()),
            failures: Set(lines(&self.failures)),
            fingerprint: Set(fingerprint(&self.reason, &key.event_type, &self.error)),
            attempts: Set(i32::try_from(self.attempts).unwrap_or(i32::MAX)),
            webhook_at: Set(time(webhook.at_ms())),
            received_at: Set(time(webhook.received_at_ms())),
            first_failed_at: Set(failed_at(self.failures.first())),
            last_failed_at: Set(failed_at(self.failures.last())),
            state: Set(state.name().to_owned()),
            replays: NotSet,
            resolved_at: NotSet,
            resolved_by: NotSet,
            note: NotSet,
            created_at: NotSet,
            updated_at: Set(now),
        }
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

/// Names a group of webhooks that failed and may pass by themselves, whose reason is not decided yet.
pub fn failure_group(event_type: &str, error: &str) -> String {
    fingerprint("", event_type, error)
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
