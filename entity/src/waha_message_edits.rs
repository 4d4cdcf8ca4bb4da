//! An edit of a message, whoever made it: the history of its text. What a message shows
//! is the newest readable edit of its own author.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity};

/// A row of `waha_message_edits`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_message_edits")]
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
    /// Who edited: `me` for the account itself, `contact` for the other side of a direct chat, else
    /// the member's id.
    #[sea_orm(unique_key = "key")]
    pub author: String,
    /// Bare id of the edit, else the id of the webhook that told it.
    #[sea_orm(unique_key = "key")]
    pub edit_id: String,
    /// The whole new text. Null: WAHA could not read it.
    #[sea_orm(column_type = "Text")]
    pub content: Option<String>,
    /// When it was edited, as far as the engine says, else the webhook time.
    pub edited_at: Option<DateTimeUtc>,
    /// Version of text and time; the highest is the newest edit.
    pub edit_version: i64,
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
    table: "waha_message_edits",
    columns: &[
        (Some(Identity), &["message_id", "author", "edit_id"]),
        (Some(Content), &["content"]),
        (Some(Behaviour), &["edited_at"]),
        (None, &["id", "chat_id", "edit_version", "created_at", "updated_at"]),
    ],
};
