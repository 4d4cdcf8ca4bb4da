//! Somebody's reaction to a message: one row per person, which a later reaction replaces.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity};

/// A row of `waha_reactions`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_reactions")]
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
    /// Who reacts: `me` for the account itself, `contact` for the other side of a direct chat, else
    /// the member's id.
    #[sea_orm(unique_key = "key")]
    pub reactor: String,
    /// The id of who reacts, as told last.
    pub reactor_jid: Option<String>,
    /// The emoji. Null: the reaction was taken back.
    #[sea_orm(column_type = "Text")]
    pub text: Option<String>,
    /// When, by WhatsApp's clock, else the webhook time.
    pub reacted_at: Option<DateTimeUtc>,
    /// Version of all of this. Its time is that of the webhook while fresh, later `reacted_at`.
    pub reaction_version: i64,
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
    table: "waha_reactions",
    columns: &[
        (Some(Identity), &["message_id", "reactor", "reactor_jid"]),
        (Some(Content), &["text"]),
        (Some(Behaviour), &["reacted_at"]),
        (None, &["id", "chat_id", "reaction_version", "created_at", "updated_at"]),
    ],
};
