//! Which users of the application may see which sessions. Shared with the application: the worker
//! touches only the rows that it made from session metadata.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Staff;

/// A row of `user_waha`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_waha")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The application's id of the user; the worker takes it from the configured key of the
    /// session metadata (`user.id` by default).
    #[sea_orm(unique_key = "user_session")]
    pub user_id: String,
    /// Session that the user may see.
    #[sea_orm(unique_key = "user_session")]
    pub session_id: i64,
    /// `metadata` if the worker keeps the row, which replaces it when the metadata change;
    /// `application` (the default) if somebody else made it, which the worker leaves alone.
    pub origin: String,
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
    table: "user_waha",
    columns: &[
        (Some(Staff), &["user_id"]),
        (None, &["id", "session_id", "origin", "created_at", "updated_at"]),
    ],
};
