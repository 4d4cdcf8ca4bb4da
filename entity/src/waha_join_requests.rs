//! A person's wish to join a group, from `group.v2.participants.join-request`. WAHA tells no
//! approval: who is in `waha_participants` was let in.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Identity};

/// A row of `waha_join_requests`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_join_requests")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Row of the group in `waha_chats`.
    #[sea_orm(unique_key = "request")]
    pub chat_id: i64,
    /// Who asks: the phone id where a link to it is known, else the LID.
    #[sea_orm(unique_key = "request")]
    pub jid: String,
    /// WAHA's word: `created`, `rejected` or `revoked`.
    pub state: String,
    /// How: `invite_link`, `linked_group_join` or `non_admin_add`.
    pub method: Option<String>,
    /// Version of `method`; null in a row of a release before, where it was part of `version`.
    pub method_version: Option<i64>,
    /// Version of `state`.
    pub version: i64,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,

    /// The conversation behind `chat_id`.
    #[sea_orm(belongs_to, from = "chat_id", to = "id")]
    pub chat: BelongsTo<super::waha_chats::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_join_requests",
    columns: &[
        (Some(Identity), &["jid"]),
        (Some(Behaviour), &["state", "method"]),
        (None, &["id", "chat_id", "method_version", "version", "created_at", "updated_at"]),
    ],
};
