//! Whether each session is believed to live, and what was done about it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Behaviour;

/// A row of `waha_session_watches`: one for each session of a source whose API is asked.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_session_watches")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The session.
    #[sea_orm(unique_key = "key")]
    pub session_id: i64,
    /// What the last probe found: `alive`, `unwitnessed` (nothing speaks for or against it), `dead`, `deaf` (its
    /// webhooks do not arrive), `person` (somebody must look after it), `idle` (it does not run) or `unknown`.
    pub verdict: String,
    /// Why: a word of a closed set.
    pub reason: Option<String>,
    /// Since when probes have found this; of trouble, since when they have found any.
    pub since_at: DateTimeUtc,
    /// How many in a row.
    pub times: i32,
    /// The verdict that was last written into the history: one that is bad is, once it was found twice.
    pub told: Option<String>,
    /// Since when somebody is warned of it; null while all is well.
    pub warned_at: Option<DateTimeUtc>,
    /// When it was last probed.
    pub probed_at: Option<DateTimeUtc>,
    /// When it is probed next.
    pub due_at: DateTimeUtc,
    /// Grows with every worker that probes it: what an older one writes counts no more.
    pub lease_number: i64,
    /// Others' messages that WAHA had told since its start, when that was last known to have arrived here.
    pub emitted: Option<i64>,
    /// When WAHA's count was last that.
    pub emitted_at: Option<DateTimeUtc>,
    /// How WAHA's counters of messages have grown in the last hours, as JSON text; null where it does not count.
    #[sea_orm(column_type = "Text")]
    pub counters: Option<String>,
    /// When the session was last given to the reconciler.
    pub reconciled_at: Option<DateTimeUtc>,
    /// Restarts that WAHA took, since it last lived for a day.
    pub restarts: i32,
    /// When one was last tried.
    pub restarted_at: Option<DateTimeUtc>,
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
    table: "waha_session_watches",
    columns: &[
        (
            Some(Behaviour),
            &["verdict", "since_at", "told", "warned_at", "emitted", "emitted_at", "counters"],
        ),
        (
            None,
            &[
                "id",
                "session_id",
                "reason",
                "times",
                "probed_at",
                "due_at",
                "lease_number",
                "reconciled_at",
                "restarts",
                "restarted_at",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
