//! The zstd dictionaries that rows of `webhook_bodies` are packed with, for whoever reads them without the
//! release that has the dictionary. No row is ever changed or removed.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `webhook_dictionaries`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_dictionaries")]
pub struct Model {
    /// The id in the dictionary's own header, which zstd makes of its content.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dictionary_id: i64,
    /// The dictionary, in zstd's format.
    #[sea_orm(column_type = "Blob")]
    pub dictionary: Vec<u8>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "webhook_dictionaries",
    columns: &[(None, &["dictionary_id", "dictionary", "created_at", "updated_at"])],
};
