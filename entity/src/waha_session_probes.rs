//! What probes of sessions found and what was done about it, one after the other.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Behaviour;

/// A row of `waha_session_probes`; a probe that found what the one before had found has none.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_session_probes")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The session.
    pub session_id: i64,
    /// When.
    pub at: DateTimeUtc,
    /// `probe` (the verdict is another one), or what was done: `reconcile`, `warn`, `restart`.
    pub kind: String,
    /// What was found; see `waha_session_watches`.
    pub verdict: String,
    /// Why it was found; of a remedy that failed, why.
    pub reason: Option<String>,
    /// WAHA's word for the session's state, as it told it then.
    pub status: Option<String>,
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
    table: "waha_session_probes",
    columns: &[
        (Some(Behaviour), &["at", "verdict", "status"]),
        (None, &["id", "session_id", "kind", "reason", "created_at", "updated_at"]),
    ],
};
