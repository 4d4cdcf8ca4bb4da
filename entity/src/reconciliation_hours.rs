//! What comparing with WAHA's list found, by session and hour in which messages were sent.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `reconciliation_hours`; hours in which neither WAHA nor we have anything get none.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reconciliation_hours")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The session.
    #[sea_orm(unique_key = "key")]
    pub session_id: i64,
    /// When the hour begins (UTC).
    #[sea_orm(unique_key = "key")]
    pub hour_at: DateTimeUtc,
    /// Messages that WAHA lists.
    pub listed: i32,
    /// Messages here that webhooks told.
    pub live: i32,
    /// Messages here that only WAHA's list told.
    pub backfilled: i32,
    /// Messages here that WAHA does not list (any more): revoked or pruned there.
    pub only_here: i32,
    /// Of those, the ones that are known to be revoked.
    pub revoked_here: i32,
    /// Messages that WAHA lists and that could not be taken over.
    pub refused: i32,
    /// `complete`, `partial` (not all of the hour was compared yet) or `unknown`, for `reason`.
    pub state: String,
    /// Why it is not known whether anything is missing.
    pub reason: Option<String>,
    /// When it was compared.
    pub checked_at: DateTimeUtc,
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
    table: "reconciliation_hours",
    columns: &[(
        None,
        &[
            "id",
            "session_id",
            "hour_at",
            "listed",
            "live",
            "backfilled",
            "only_here",
            "revoked_here",
            "refused",
            "state",
            "reason",
            "checked_at",
            "created_at",
            "updated_at",
        ],
    )],
};
