//! Accepted requests that brought a webhook which the ledger knew already: one row each, so that
//! duplicates can be counted exactly, also when a delivery is repeated.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `webhook_duplicates`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_duplicates")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Ledger row of the webhook; takes this row along when it is deleted.
    #[sea_orm(unique_key = "duplicate")]
    pub webhook_event_id: i64,
    /// Number that the door gave this request; differs from that of the ledger row.
    #[sea_orm(unique_key = "duplicate")]
    pub receipt: i64,
    /// When the door took this request in.
    pub received_at: DateTimeUtc,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
    /// That of the ledger row.
    pub month: i32,

    /// The ledger row behind `webhook_event_id`.
    #[sea_orm(belongs_to, from = "webhook_event_id", to = "id")]
    pub webhook_event: BelongsTo<super::webhook_events::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "webhook_duplicates",
    columns: &[(
        None,
        &["id", "webhook_event_id", "receipt", "received_at", "created_at", "updated_at", "month"],
    )],
};
