//! A chat that turned out to be another one, while its messages are still on their way there.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `waha_chat_moves`; it goes when the last message has moved.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_chat_moves")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The chat that is left. Where its messages go, its `merged_into` says.
    #[sea_orm(unique)]
    pub chat_id: i64,
    /// Until when a worker moves them; none: nobody does.
    pub leased_until: Option<DateTimeUtc>,
    /// How often a worker took it.
    pub lease_number: i64,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,

    /// The chat behind `chat_id`.
    #[sea_orm(belongs_to, from = "chat_id", to = "id")]
    pub chat: BelongsTo<super::waha_chats::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_chat_moves",
    columns: &[(
        None,
        &["id", "chat_id", "leased_until", "lease_number", "created_at", "updated_at"],
    )],
};
