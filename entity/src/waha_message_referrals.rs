//! The ad or post through which the author of a message came to the chat.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity};

/// A row of `waha_message_referrals`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_message_referrals")]
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
    /// Who told it, as `waha_messages.author`: one row of a message is its owner's.
    #[sea_orm(unique_key = "key")]
    pub author: String,
    /// `ad` or `post`.
    pub source_type: Option<String>,
    /// Id of the ad or post.
    pub source_id: Option<String>,
    /// Link to it.
    #[sea_orm(column_type = "Text")]
    pub source_url: Option<String>,
    /// Id of the click (`ctwa_clid`), for reports of conversions. WEBJS does not tell it.
    #[sea_orm(column_type = "Text")]
    pub click_id: Option<String>,
    /// What the ad said.
    #[sea_orm(column_type = "Text")]
    pub headline: Option<String>,
    /// What stood below that.
    #[sea_orm(column_type = "Text")]
    pub body: Option<String>,
    /// Where it was shown, such as `FB_Ads`.
    pub conversion_source: Option<String>,
    /// Seconds from the click to the message.
    pub conversion_delay_s: Option<i32>,
    /// How the chat was opened, such as `ctwa_ad`.
    pub entry_point: Option<String>,
    /// In which app, such as `facebook`.
    pub entry_point_app: Option<String>,
    /// Version of all of it.
    pub referral_version: i64,
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
    table: "waha_message_referrals",
    columns: &[
        (Some(Identity), &["message_id", "author", "click_id"]),
        (Some(Content), &["source_url", "headline", "body"]),
        (
            Some(Behaviour),
            &[
                "source_type",
                "source_id",
                "conversion_source",
                "conversion_delay_s",
                "entry_point",
                "entry_point_app",
            ],
        ),
        (None, &["id", "chat_id", "referral_version", "created_at", "updated_at"]),
    ],
};
