//! A member of a group, now or before, from `group.v2.join`, `group.v2.leave`,
//! `group.v2.participants` and their predecessors.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Identity};

/// A row of `waha_participants`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_participants")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Row of the group in `waha_chats`.
    #[sea_orm(unique_key = "participant")]
    pub chat_id: i64,
    /// The person's name: the phone id where a link to it is known, else the LID.
    #[sea_orm(unique_key = "participant")]
    pub jid: String,
    /// `participant`, `admin`, `superadmin` or `left`.
    pub role: String,
    /// Whether the person belongs to the group, as told last.
    pub is_member: bool,
    /// Version of `role` and `is_member`.
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
    table: "waha_participants",
    columns: &[
        (Some(Identity), &["jid"]),
        (Some(Behaviour), &["role", "is_member"]),
        (None, &["id", "chat_id", "version", "created_at", "updated_at"]),
    ],
};
