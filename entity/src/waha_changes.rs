//! What changed, in the order in which transactions were committed: the feed that applications follow.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Identity;

/// A row of `waha_changes`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_changes")]
pub struct Model {
    /// Place in the feed: dense, from 1 on, in the order of commits. A row of the tables that is read is at
    /// least as new as its position says.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    /// What happened, and thereby which table `row_id` is of; see `entity/README.md`.
    pub kind: String,
    /// Session that it belongs to.
    pub session_id: i64,
    /// Conversation that it belongs to, if any.
    pub chat_id: Option<i64>,
    /// Key of the row that changed.
    pub row_id: i64,
    /// What WAHA calls it, without its session and chat: a message's bare id, a chat's or person's id.
    pub natural_key: String,
    /// When it was written, by the worker's clock. Orders nothing.
    pub changed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_changes",
    columns: &[
        (Some(Identity), &["natural_key"]),
        (None, &["position", "kind", "session_id", "chat_id", "row_id", "changed_at"]),
    ],
};
