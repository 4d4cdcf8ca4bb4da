//! What did not go into a dead letter's row, because MySQL or MariaDB takes no statement that long.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Content;

/// A row of `dead_letter_parts`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letter_parts")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The dead letter; takes this row along when it is deleted.
    #[sea_orm(unique_key = "place")]
    pub dead_letter_id: i64,
    /// The edit whose body before this goes on; 0 for the dead letter's own body.
    #[sea_orm(unique_key = "place")]
    pub edit_id: i64,
    /// 1, 2 and so on, after the bytes that are in the row.
    #[sea_orm(unique_key = "place")]
    pub place: i32,
    /// The last 512 bytes before, then those that follow: so a search finds what was cut through.
    #[sea_orm(column_type = "Blob")]
    pub body: Vec<u8>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "dead_letter_parts",
    columns: &[
        (Some(Content), &["body"]),
        (None, &["id", "dead_letter_id", "edit_id", "place", "created_at", "updated_at"]),
    ],
};
