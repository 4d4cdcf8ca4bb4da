//! A state of a session and when it began, from `session.status`.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Behaviour;

/// A row of `waha_session_statuses`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_session_statuses")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The session.
    #[sea_orm(unique_key = "status")]
    pub session_id: i64,
    /// WAHA's word: `STOPPED`, `STARTING`, `SCAN_QR_CODE`, `WORKING`, `FAILED` and newer ones.
    #[sea_orm(unique_key = "status")]
    pub status: String,
    /// Since when, by WAHA's clock.
    #[sea_orm(unique_key = "status")]
    pub at: DateTimeUtc,
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
    table: "waha_session_statuses",
    columns: &[
        (Some(Behaviour), &["status", "at"]),
        (None, &["id", "session_id", "created_at", "updated_at"]),
    ],
};
