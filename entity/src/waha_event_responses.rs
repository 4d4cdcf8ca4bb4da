//! Somebody's answer to an invitation (a message of type `event`); a later one replaces it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity};

/// A row of `waha_event_responses`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_event_responses")]
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
    /// Who answers: `me` for the account itself, `contact` for the other side of a direct chat, else
    /// the member's id.
    #[sea_orm(unique_key = "key")]
    pub responder: String,
    /// The id of who answers, as told last.
    pub responder_jid: Option<String>,
    /// `GOING`, `NOT_GOING`, `MAYBE` or `UNKNOWN`. Null: they answered, but WAHA could not read it
    /// (`event.response.failed`).
    pub response: Option<String>,
    /// How many they bring along.
    pub extra_guests: Option<i32>,
    /// When.
    pub responded_at: Option<DateTimeUtc>,
    /// Version of all of this.
    pub response_version: i64,
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
    table: "waha_event_responses",
    columns: &[
        (Some(Identity), &["message_id", "responder", "responder_jid"]),
        (Some(Content), &["response", "extra_guests"]),
        (Some(Behaviour), &["responded_at"]),
        (None, &["id", "chat_id", "response_version", "created_at", "updated_at"]),
    ],
};
