//! A label of the account (WhatsApp Business), from `label.*`.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Content;

/// A row of `waha_labels`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_labels")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Session that has the label.
    #[sea_orm(unique_key = "label")]
    pub session_id: i64,
    /// WhatsApp's id of the label.
    #[sea_orm(unique_key = "label")]
    pub label_id: String,
    /// Its name; null until told.
    #[sea_orm(column_type = "Text")]
    pub name: Option<String>,
    /// WhatsApp's number of its colour.
    pub color: Option<i32>,
    /// Its colour, `#rrggbb`.
    pub color_hex: Option<String>,
    /// Version of `name`, `color` and `color_hex`.
    pub look_version: i64,
    /// Whether it was deleted; null if only chats told of it.
    pub deleted: Option<bool>,
    /// Version of `deleted`.
    pub deleted_version: i64,
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
    table: "waha_labels",
    columns: &[
        (Some(Content), &["name"]),
        (
            None,
            &[
                "id",
                "session_id",
                "label_id",
                "color",
                "color_hex",
                "look_version",
                "deleted",
                "deleted_version",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
