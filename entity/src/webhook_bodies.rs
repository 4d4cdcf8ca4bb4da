//! Bodies of webhooks, packed and apart from the ledger. Written in the transaction that writes the ledger's
//! row, or by the job that moves older ones here; a row never changes.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Content;

/// A row of `webhook_bodies`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_bodies")]
pub struct Model {
    /// Ledger row that it belongs to.
    #[sea_orm(primary_key, auto_increment = false)]
    pub webhook_event_id: i64,
    /// Length of the body, in bytes.
    pub body_bytes: i32,
    /// What it is packed with: `webhook_dictionaries`. Null with the codec `raw`.
    pub dictionary_id: Option<i32>,
    /// How `body` stands for the body: `raw`, as it came; `zstd`, a zstd frame.
    pub codec: String,
    /// The bytes as WAHA sent and signed them, so packed.
    #[sea_orm(column_type = "Blob")]
    pub body: Vec<u8>,
    /// That of the ledger row.
    pub month: i32,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "webhook_bodies",
    columns: &[
        (Some(Content), &["body"]),
        (None, &["webhook_event_id", "body_bytes", "dictionary_id", "codec", "month"]),
    ],
};
