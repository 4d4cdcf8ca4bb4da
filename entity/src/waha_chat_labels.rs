//! A label on a chat, now or before, from `label.chat.added` and `label.chat.deleted`.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Behaviour;

/// A row of `waha_chat_labels`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_chat_labels")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Row of the conversation in `waha_chats`.
    #[sea_orm(unique_key = "chat_label")]
    pub chat_id: i64,
    /// WhatsApp's id of the label, see `waha_labels` of the same session.
    #[sea_orm(unique_key = "chat_label")]
    pub label_id: String,
    /// Whether the chat has the label.
    pub is_set: bool,
    /// Version of `is_set`.
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
    table: "waha_chat_labels",
    columns: &[
        (Some(Behaviour), &["label_id"]),
        (None, &["id", "chat_id", "is_set", "version", "created_at", "updated_at"]),
    ],
};
