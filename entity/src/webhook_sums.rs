//! How many webhooks the ledger has let go of, by month and outcome: what `status` adds to the rows that are there.
//! Written in the transaction that deletes the rows.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `webhook_sums`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_sums")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Their month in the ledger, as a number: 202611; that in which the door took them in, where the ledger has
    /// none. Repetitions stand under the month of the webhook that they repeated.
    #[sea_orm(unique_key = "sum")]
    pub month: i32,
    /// How they ended: `applied`, `ignored`, `dead_lettered` or `duplicate`.
    #[sea_orm(unique_key = "sum")]
    pub outcome: String,
    /// How many rows are gone.
    pub webhooks: i64,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "webhook_sums",
    columns: &[(None, &["id", "month", "outcome", "webhooks", "created_at", "updated_at"])],
};
