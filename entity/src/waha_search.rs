//! How far the words of messages are filled in: one row. The words themselves are in `waha_message_words`,
//! whose columns the databases type differently, so it has no entity.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// The row of `waha_search`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_search")]
pub struct Model {
    /// 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// `off`, `filling`, `on`, or `clearing`: it is being switched off.
    pub state: String,
    /// Of which feed the position is.
    pub epoch: String,
    /// All changes of messages up to here are in the words.
    pub position: i64,
    /// While it is filling: all messages up to this id are in the words.
    pub filled_to: i64,
    /// By which rules the words were made.
    pub words_version: i64,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When it was last switched or moved on.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_search",
    columns: &[(
        None,
        &[
            "id",
            "state",
            "epoch",
            "position",
            "filled_to",
            "words_version",
            "created_at",
            "updated_at",
        ],
    )],
};
