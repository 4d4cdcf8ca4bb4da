//! How far an own message got with one member of a group. Only forward.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Identity};

/// A row of `waha_message_acks`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_message_acks")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Row of the conversation in `waha_chats`.
    #[sea_orm(unique_key = "key")]
    pub chat_id: i64,
    /// Bare id of the message: with `chat_id` it finds the row of `waha_messages`.
    #[sea_orm(unique_key = "key")]
    pub message_id: String,
    /// The member's id.
    #[sea_orm(unique_key = "key")]
    pub participant: String,
    /// `sent`, `delivered`, `read` or `played`, as in `waha_messages`.
    pub status: Option<String>,
    /// WAHA's number of that status.
    pub ack: Option<i16>,
    /// Order of the statuses, as in `waha_messages`.
    pub status_rank: i16,
    /// When it came to the member's phone; earliest told.
    pub delivered_at: Option<DateTimeUtc>,
    /// When the member read it; earliest told.
    pub read_at: Option<DateTimeUtc>,
    /// When the member played it; earliest told.
    pub played_at: Option<DateTimeUtc>,
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
    table: "waha_message_acks",
    columns: &[
        (Some(Identity), &["message_id", "participant"]),
        (Some(Behaviour), &["status", "ack", "delivered_at", "read_at", "played_at"]),
        (None, &["id", "chat_id", "status_rank", "created_at", "updated_at"]),
    ],
};
