//! How far somebody has read a conversation: on WhatsApp, from acks that say read or played, or a user of the
//! application, who writes it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Identity, Staff};

/// A row of `chat_reads`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "chat_reads")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Row of the conversation in `waha_chats`.
    #[sea_orm(unique_key = "read")]
    pub chat_id: i64,
    /// Who read: the other side or a member of the group, from `message.ack` and
    /// `message.ack.group`; the account itself when it read on its phone; or `user:` and `user_id`.
    #[sea_orm(unique_key = "read")]
    pub reader: String,
    /// User of the application, as the application calls it. Never written by webhooks.
    pub user_id: Option<String>,
    /// Bare id of the newest message known to be read. Of a user the newest row of the time `last_read_at`: of
    /// that time, what has a higher `id` came later and is unread.
    pub last_read_message_id: Option<String>,
    /// When it was read: the engine's time of the receipt, else the webhook time. Of a user the time of the
    /// last message that was read, but no later than `waha_chats.last_message_at` at that time.
    pub last_read_at: Option<DateTimeUtc>,
    /// Version of `last_read_message_id` and `last_read_at`; 0 of a user.
    pub read_version: i64,
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
    table: "chat_reads",
    columns: &[
        (Some(Identity), &["reader"]),
        (Some(Behaviour), &["last_read_message_id", "last_read_at"]),
        (Some(Staff), &["user_id"]),
        (None, &["id", "chat_id", "read_version", "created_at", "updated_at"]),
    ],
};
