//! The ledger: every webhook that reached an end, once, with its outcome. Written in the
//! transaction that applies the webhook, so a row here means that its changes are stored.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity};

/// A row of `webhook_events`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_events")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Configured WAHA server that sent it.
    #[sea_orm(unique_key = "webhook")]
    pub source: String,
    /// The envelope's `session`; empty if it has none.
    #[sea_orm(unique_key = "webhook")]
    pub session: String,
    /// The envelope's `event`, such as `message.any`. Part of the key, because `message` and
    /// `message.any` can share an id.
    #[sea_orm(unique_key = "webhook")]
    pub event_type: String,
    /// The envelope's `id`, else the request id of the headers, else the hash of the body.
    #[sea_orm(unique_key = "webhook")]
    pub webhook_id: String,
    /// Number that the door gave the accepted request. The same webhook with this receipt is the
    /// same request delivered again; with another it is a duplicate.
    pub receipt: i64,
    /// The raw bytes as WAHA sent and signed them. Null when bodies are not kept, or no longer.
    #[sea_orm(column_type = "Blob")]
    pub body: Option<Vec<u8>>,
    /// How it ended: `applied`, `ignored` or `dead_lettered`.
    pub outcome: String,
    /// Why, for the last two; from a closed set.
    pub reason: Option<String>,
    /// How often it was tried, the last time included. Outages do not count.
    pub attempts: i32,
    /// Version of the normalizer that read the body, to know what to read again after a fix.
    pub normalizer_version: i32,
    /// The envelope's `timestamp`, else that of the headers, else `received_at`. Orders changes.
    pub webhook_at: DateTimeUtc,
    /// When the door took it in.
    pub received_at: DateTimeUtc,
    /// When it reached its outcome.
    pub processed_at: DateTimeUtc,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
    /// The month of the envelope's `timestamp`, in UTC, as a number: 202611. 0 if the body tells none, or one that
    /// can't be; and in rows of releases before.
    pub month: i32,

    /// The accepted requests that brought it again.
    #[sea_orm(has_many)]
    pub duplicates: HasMany<super::webhook_duplicates::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "webhook_events",
    columns: &[
        (Some(Identity), &["session", "webhook_id"]),
        (Some(Content), &["body"]),
        (Some(Behaviour), &["webhook_at"]),
        (
            None,
            &[
                "id",
                "source",
                "event_type",
                "receipt",
                "outcome",
                "reason",
                "attempts",
                "normalizer_version",
                "received_at",
                "processed_at",
                "created_at",
                "updated_at",
                "month",
            ],
        ),
    ],
};
