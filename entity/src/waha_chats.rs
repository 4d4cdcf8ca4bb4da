//! A conversation under one of its names. A person may appear as `…@c.us` and as `…@lid`: both are
//! rows, and once a webhook shows that they are one, the LID row points to the phone row and keeps
//! neither messages nor anything else of its own: all that is told under it is in the phone row.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity, Name};

/// A row of `waha_chats`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_chats")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Session that has the conversation; its row takes this one along when it is deleted.
    #[sea_orm(unique_key = "chat")]
    pub session_id: i64,
    /// WhatsApp's id of the conversation: `…@c.us`, `…@lid`, `…@g.us`, `…@newsletter`,
    /// `…@broadcast`. Second part of a message's id.
    #[sea_orm(unique_key = "chat")]
    pub chat_id: String,
    /// What the id's suffix says: a person, a group, a channel, a broadcast list or something new.
    pub kind: String,
    /// Subject of the group, from `group.v2.join` and `group.v2.update`; or the person's own name,
    /// from messages. Null until told.
    #[sea_orm(column_type = "Text")]
    pub name: Option<String>,
    /// Version of `name`.
    pub name_version: i64,
    /// What a group says of itself, from `group.v2.join` and `group.v2.update`.
    #[sea_orm(column_type = "Text")]
    pub description: Option<String>,
    /// Version of `description`.
    pub description_version: i64,
    /// Whether the chat is archived, from `chat.archive` (WEBJS only). Null until told.
    pub archived: Option<bool>,
    /// Version of `archived`.
    pub archived_version: i64,
    /// Latest time of a message in the conversation, from `message` and `message.any`. Only grows.
    pub last_message_at: Option<DateTimeUtc>,
    /// Bare id of that message; of several of that time the largest, byte by byte.
    pub last_message_id: Option<String>,
    /// Latest time of a message that somebody else wrote. Only grows.
    pub last_inbound_at: Option<DateTimeUtc>,
    /// Latest time of a message that the account wrote. Only grows, unless that message turns out to be
    /// in another conversation.
    pub last_outbound_at: Option<DateTimeUtc>,
    /// Row of the conversation that this one is another name of; null for the conversation itself.
    pub merged_into: Option<i64>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,

    /// The session behind `session_id`.
    #[sea_orm(belongs_to, from = "session_id", to = "id")]
    pub session: BelongsTo<super::waha_sessions::Entity>,
    /// The conversation behind `merged_into`.
    #[sea_orm(
        self_ref,
        relation_enum = "Conversation",
        relation_reverse = "OtherNames",
        from = "merged_into",
        to = "id"
    )]
    pub conversation: BelongsTo<Option<Entity>>,
    /// The rows that are other names of this conversation.
    #[sea_orm(self_ref, relation_enum = "OtherNames", relation_reverse = "Conversation")]
    pub other_names: HasMany<Entity>,
    /// Its messages.
    #[sea_orm(has_many)]
    pub messages: HasMany<super::waha_messages::Entity>,
    /// Its calls.
    #[sea_orm(has_many)]
    pub calls: HasMany<super::waha_calls::Entity>,
    /// How far its readers are.
    #[sea_orm(has_many)]
    pub reads: HasMany<super::chat_reads::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_chats",
    columns: &[
        (Some(Identity), &["chat_id", "last_message_id"]),
        (Some(Name), &["name"]),
        (Some(Content), &["description"]),
        (Some(Behaviour), &["last_message_at", "last_inbound_at", "last_outbound_at"]),
        (
            None,
            &[
                "id",
                "session_id",
                "kind",
                "name_version",
                "description_version",
                "archived",
                "archived_version",
                "merged_into",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
