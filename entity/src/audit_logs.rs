//! What an operator did: written in the transaction that does it. Rows are never changed afterwards,
//! but for the count of a long action, which grows with it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Content, Identity, Staff};

/// A row of `audit_logs`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_logs")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// When it was done, or begun.
    pub done_at: DateTimeUtc,
    /// Who: the user of the operating system, or the name of the token.
    pub actor: String,
    /// Through what: `cli`, `api`, or `process` for what a process does by itself.
    pub channel: String,
    /// From where: host and terminal, or the address of the peer.
    pub place: String,
    /// What: `replay`, `cancel`, `discard`, `restore`, `edit`, `import`, `renormalize`, `keys`,
    /// `settle`.
    pub action: String,
    /// On which rows: the filter as JSON.
    #[sea_orm(column_type = "Text")]
    pub filter: Option<String>,
    /// On how many.
    pub affected: i64,
    /// What was there before, as JSON; never a secret or a body.
    #[sea_orm(column_type = "Text")]
    pub old_values: Option<String>,
    /// What is there now, as JSON; never a secret or a body.
    #[sea_orm(column_type = "Text")]
    pub new_values: Option<String>,
    /// Why, in the words of who did it.
    #[sea_orm(column_type = "Text")]
    pub note: Option<String>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "audit_logs",
    columns: &[
        (Some(Identity), &["filter"]),
        (Some(Content), &["old_values", "new_values", "note"]),
        (Some(Staff), &["actor", "place"]),
        (None, &["id", "done_at", "channel", "action", "affected", "created_at", "updated_at"]),
    ],
};
