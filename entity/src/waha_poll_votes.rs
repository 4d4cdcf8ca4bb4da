//! Somebody's vote in a poll: the whole choice, which a later vote replaces.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity};

/// A row of `waha_poll_votes`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_poll_votes")]
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
    /// Who votes: `me` for the account itself, `contact` for the other side of a direct chat, else
    /// the member's id.
    #[sea_orm(unique_key = "key")]
    pub voter: String,
    /// The id of who votes, as told last.
    pub voter_jid: Option<String>,
    /// Names of the chosen options as a JSON list; `[]` when the vote was withdrawn. Null: they
    /// voted, but WAHA could not read it (`poll.vote.failed`).
    #[sea_orm(column_type = "Text")]
    pub selected: Option<String>,
    /// When.
    pub voted_at: Option<DateTimeUtc>,
    /// Version of all of this.
    pub vote_version: i64,
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
    table: "waha_poll_votes",
    columns: &[
        (Some(Identity), &["message_id", "voter", "voter_jid"]),
        (Some(Content), &["selected"]),
        (Some(Behaviour), &["voted_at"]),
        (None, &["id", "chat_id", "vote_version", "created_at", "updated_at"]),
    ],
};
