//! What a dead letter is made of, as it is shown, exported and published again.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde::Serialize;
use utoipa::ToSchema;

use entity::dead_letters::Model;

use crate::queue::Failure;
use crate::store::apply::burial::state::DeadLetterState;
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

pub use entity::dead_letter_replays::Model as DeadLetterReplay;

/// A dead letter without its body, for lists.
#[derive(Clone, Debug, FromQueryResult, Serialize, ToSchema)]
#[schema(as = Summary)]
pub struct DeadLetterSummary {
    /// The number that operators use.
    pub id: i64,
    /// Configured WAHA server that sent it.
    pub source: String,
    /// WhatsApp account.
    pub session: String,
    /// WAHA's name of what happened.
    pub event_type: String,
    /// The webhook's id.
    pub webhook_id: String,
    /// Why it was given up.
    pub reason: String,
    /// The last error.
    pub error: String,
    /// Its group.
    #[serde(rename = "group")]
    pub fingerprint: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Where it stands.
    pub state: DeadLetterState,
    /// How often it was replayed.
    pub replays: i32,
    /// When the door took it in.
    pub received_at: DateTime<Utc>,
    /// When it failed first.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed last.
    pub last_failed_at: DateTime<Utc>,
    /// When it was last replayed, or discarded.
    pub resolved_at: Option<DateTime<Utc>>,
    /// By whom.
    pub resolved_by: Option<String>,
    /// What that person said.
    pub note: Option<String>,
    /// Length of its body.
    pub body_bytes: i64,
}

/// A dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The row.
    pub row: Model,
    /// Every failed attempt, oldest first.
    pub failures: Vec<Failure>,
    /// The request headers that were kept.
    pub headers: Headers,
}

/// An edit of a body, without the body.
#[derive(Clone, Debug, FromQueryResult, Serialize, ToSchema)]
#[schema(as = Edit)]
pub struct DeadLetterEdit {
    /// Its number.
    pub id: i64,
    /// Who edited.
    pub edited_by: String,
    /// When.
    pub edited_at: DateTime<Utc>,
}

impl From<Model> for DeadLetter {
    fn from(row: Model) -> Self {
        let failures = row.failures.lines().filter_map(|line| serde_json::from_str(line).ok());
        let headers: BTreeMap<_, _> = serde_json::from_str(&row.headers).unwrap_or_default();
        Self { failures: failures.collect(), headers, row }
    }
}

impl DeadLetter {
    /// The webhook as it was accepted, to be published again under its first receipt.
    pub fn webhook(&self) -> Webhook {
        self.webhook_with(self.row.body.clone())
    }

    /// The same webhook with another body.
    pub fn webhook_with(&self, body: Vec<u8>) -> Webhook {
        let row = &self.row;
        Webhook::from(WebhookParts {
            key: WebhookKey {
                source: row.source.clone(),
                session: row.session.clone(),
                event_type: row.event_type.clone(),
                id: row.webhook_id.clone(),
            },
            receipt: Receipt(row.receipt),
            at_ms: row.webhook_at.timestamp_millis(),
            received_at_ms: row.received_at.timestamp_millis(),
            replay: true,
            headers: self.headers.clone(),
            body: Bytes::from(body),
        })
    }
}
