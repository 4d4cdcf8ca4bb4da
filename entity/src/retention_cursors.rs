//! How far a kind of retention got. Bookkeeping of workers.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `retention_cursors`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "retention_cursors")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// What is let go of: `bodies`, and so on; of some sources only, with a colon and their hash.
    #[sea_orm(unique)]
    pub name: String,
    /// Up to this id of the table nothing is left to let go of.
    pub cursor_id: i64,
    /// When the table was last walked from its beginning to its end; none: never.
    pub walked_at: Option<DateTimeUtc>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "retention_cursors",
    columns: &[(None, &["id", "name", "cursor_id", "walked_at", "created_at", "updated_at"])],
};
