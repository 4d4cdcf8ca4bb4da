//! A body that an operator replaced: the dead letter has the new one, this row the one before.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Content, Staff};

/// A row of `dead_letter_edits`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letter_edits")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The dead letter; takes this row along when it is deleted.
    pub dead_letter_id: i64,
    /// The body before the edit; in the oldest row the bytes that WAHA signed.
    #[sea_orm(column_type = "Blob")]
    pub body: Vec<u8>,
    /// Who edited.
    pub edited_by: String,
    /// When.
    pub edited_at: DateTimeUtc,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "dead_letter_edits",
    columns: &[
        (Some(Content), &["body"]),
        (Some(Staff), &["edited_by"]),
        (None, &["id", "dead_letter_id", "edited_at", "created_at", "updated_at"]),
    ],
};
