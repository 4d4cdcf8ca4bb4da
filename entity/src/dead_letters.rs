//! A dead letter: a webhook that we stopped retrying, kept byte for byte so that it can be replayed
//! after the cause is fixed. Replaying never deletes the row; it says what became of it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Content, Identity, Staff};

/// A row of `dead_letters`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letters")]
pub struct Model {
    /// Key of the row; the number that operators use.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Configured WAHA server that sent it.
    #[sea_orm(unique_key = "webhook")]
    pub source: String,
    /// The envelope's `session`; empty if it has none.
    #[sea_orm(unique_key = "webhook")]
    pub session: String,
    /// The envelope's `event`; empty if it has none.
    #[sea_orm(unique_key = "webhook")]
    pub event_type: String,
    /// The webhook's id, as in the ledger.
    #[sea_orm(unique_key = "webhook")]
    pub webhook_id: String,
    /// Number that the door gave the accepted request.
    pub receipt: i64,
    /// The raw bytes as WAHA sent and signed them. May be no JSON at all.
    #[sea_orm(column_type = "Blob")]
    pub body: Vec<u8>,
    /// The message's headers as a JSON object, as they were on the queue.
    #[sea_orm(column_type = "Text")]
    pub headers: String,
    /// Why it was given up, from a closed set, such as `malformed`.
    pub reason: String,
    /// The last error with its causes.
    #[sea_orm(column_type = "Text")]
    pub error: String,
    /// All failures, oldest first: a JSON list of `{at, error}`.
    #[sea_orm(column_type = "Text")]
    pub failures: String,
    /// Hash of stage, kind of error, event type and normalized message, to group by.
    pub fingerprint: String,
    /// How often it was tried. Outages do not count.
    pub attempts: i32,
    /// The webhook time, as in the ledger.
    pub webhook_at: DateTimeUtc,
    /// When the door took it in.
    pub received_at: DateTimeUtc,
    /// When the first attempt failed.
    pub first_failed_at: DateTimeUtc,
    /// When the last attempt failed.
    pub last_failed_at: DateTimeUtc,
    /// `pending`, `replaying`, `replayed` or `discarded`.
    pub state: String,
    /// How often it was replayed.
    pub replays: i32,
    /// When it was replayed with success or discarded.
    pub resolved_at: Option<DateTimeUtc>,
    /// Who replayed or discarded it.
    pub resolved_by: Option<String>,
    /// What that person wanted to say about it.
    #[sea_orm(column_type = "Text")]
    pub note: Option<String>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "dead_letters",
    columns: &[
        (Some(Identity), &["session", "webhook_id", "headers"]),
        (Some(Content), &["body", "error", "failures", "note"]),
        (Some(Staff), &["resolved_by"]),
        (
            None,
            &[
                "id",
                "source",
                "event_type",
                "receipt",
                "reason",
                "fingerprint",
                "attempts",
                "webhook_at",
                "received_at",
                "first_failed_at",
                "last_failed_at",
                "state",
                "replays",
                "resolved_at",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
