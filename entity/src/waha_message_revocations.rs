//! Somebody's revocation of a message ("deleted for everyone"). It counts when it is the
//! author's, or when WhatsApp checked that an admin made it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Identity};

/// A row of `waha_message_revocations`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_message_revocations")]
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
    /// Who revoked: `me` for the account itself, `contact` for the other side of a direct chat, else
    /// the member's id.
    #[sea_orm(unique_key = "key")]
    pub author: String,
    /// The id of who revoked, as told.
    pub revoked_by: String,
    /// When; earliest told.
    pub revoked_at: Option<DateTimeUtc>,
    /// Whether WhatsApp's own client (WEBJS, WPP) or server (GOWS, admins) checked it. NOWEB can't
    /// tell an admin's revocation from a forged one.
    pub is_verified: bool,
    /// Version of time and person; the lowest stays.
    pub revocation_version: i64,
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
    table: "waha_message_revocations",
    columns: &[
        (Some(Identity), &["message_id", "author", "revoked_by"]),
        (Some(Behaviour), &["revoked_at"]),
        (None, &["id", "chat_id", "is_verified", "revocation_version", "created_at", "updated_at"]),
    ],
};
