//! The counter of the feed: one row.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// The row of `waha_feed`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_feed")]
pub struct Model {
    /// 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i64,
    /// Which feed this is: changed after a restore from a backup, because positions are given out anew then.
    pub epoch: String,
    /// The newest position; 0 as long as there is none. Whoever writes to the feed holds the row's lock until
    /// its commit.
    pub position: i64,
    /// The oldest position that is still there.
    pub oldest_position: i64,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_feed",
    columns: &[(None, &["id", "epoch", "position", "oldest_position"])],
};
