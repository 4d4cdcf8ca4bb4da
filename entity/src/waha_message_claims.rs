//! What somebody told under the id of another author's message. A bare id is chosen by the
//! sender's client, so a hostile one can repeat it; this keeps it apart from the message.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity, Name};

/// A row of `waha_message_claims`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_message_claims")]
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
    /// Who told it: `me` for the account itself, `contact` for the other side of a direct chat, else
    /// the member's id.
    #[sea_orm(unique_key = "key")]
    pub author: String,
    /// Lowest version of a webhook that told it.
    pub author_version: i64,
    /// As in `waha_messages`.
    pub waha_id: Option<String>,
    /// As in `waha_messages`.
    pub from_me: Option<bool>,
    /// As in `waha_messages`.
    pub sender: Option<String>,
    /// As in `waha_messages`.
    #[sea_orm(column_type = "Text")]
    pub sender_name: Option<String>,
    /// As in `waha_messages`.
    pub sender_name_version: Option<i64>,
    /// As in `waha_messages`.
    pub r#type: Option<String>,
    /// As in `waha_messages`.
    pub is_notice: bool,
    /// As in `waha_messages`.
    #[sea_orm(column_type = "Text")]
    pub content: Option<String>,
    /// As in `waha_messages`.
    pub text_version: Option<i64>,
    /// As in `waha_messages`.
    #[sea_orm(column_type = "Text")]
    pub details: Option<String>,
    /// As in `waha_messages`.
    pub reply_to: Option<String>,
    /// As in `waha_messages`.
    pub reply_to_sender: Option<String>,
    /// As in `waha_messages`.
    #[sea_orm(column_type = "Text")]
    pub reply_to_content: Option<String>,
    /// As in `waha_messages`.
    pub reply_version: Option<i64>,
    /// As in `waha_messages`.
    pub is_forwarded: Option<bool>,
    /// As in `waha_messages`.
    pub has_media: Option<bool>,
    /// As in `waha_messages`.
    pub origin: Option<String>,
    /// As in `waha_messages`.
    pub sent_at: Option<DateTimeUtc>,
    /// As in `waha_messages`.
    pub content_version: i64,
    /// As in `waha_messages`.
    #[sea_orm(column_type = "Text")]
    pub media_url: Option<String>,
    /// As in `waha_messages`.
    pub media_mime_type: Option<String>,
    /// As in `waha_messages`.
    #[sea_orm(column_type = "Text")]
    pub media_file_name: Option<String>,
    /// As in `waha_messages`.
    #[sea_orm(column_type = "Text")]
    pub media_error: Option<String>,
    /// As in `waha_messages`.
    pub media_version: i64,
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
    table: "waha_message_claims",
    columns: &[
        (
            Some(Identity),
            &["message_id", "author", "waha_id", "sender", "reply_to", "reply_to_sender"],
        ),
        (Some(Name), &["sender_name"]),
        (
            Some(Content),
            &["content", "details", "reply_to_content", "media_url", "media_file_name"],
        ),
        (Some(Behaviour), &["sent_at"]),
        (
            None,
            &[
                "id",
                "chat_id",
                "author_version",
                "from_me",
                "sender_name_version",
                "type",
                "is_notice",
                "text_version",
                "reply_version",
                "is_forwarded",
                "has_media",
                "origin",
                "content_version",
                "media_mime_type",
                "media_error",
                "media_version",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
