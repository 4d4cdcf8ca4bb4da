//! Where the account's own messages of direct chats are: what is told of one under another name of the
//! chat finds it here. Bookkeeping; applications need none of it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Identity};

/// A row of `waha_own_messages`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_own_messages")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Session that sent the message.
    #[sea_orm(unique_key = "key")]
    pub session_id: i64,
    /// The bare id, chosen by our own account: one message, whatever the chat is called.
    #[sea_orm(unique_key = "key")]
    pub message_id: String,
    /// WhatsApp's id of the chat as told, `…@c.us` or `…@lid`; the row of the message is in whatever
    /// chat that one is merged into. Of several told by equal witnesses a phone id, then the smallest.
    pub chat_jid: String,
    /// What tells the chat: 0 the message, 1 an edit or a revocation, 2 an ack. The lowest stays.
    pub witness_rank: i16,
    /// How far the message got, under whatever name: the order of `waha_messages`.
    pub status_rank: i16,
    /// Latest time told of the message itself, as it orders chats.
    pub told_at: Option<DateTimeUtc>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,

    /// The session behind `session_id`.
    #[sea_orm(belongs_to, from = "session_id", to = "id")]
    pub session: BelongsTo<super::waha_sessions::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_own_messages",
    columns: &[
        (Some(Identity), &["message_id", "chat_jid"]),
        (Some(Behaviour), &["status_rank", "told_at"]),
        (None, &["id", "session_id", "witness_rank", "created_at", "updated_at"]),
    ],
};
