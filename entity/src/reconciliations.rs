//! What of a session is compared with WAHA's own list of messages, why, and how far that got.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `reconciliations`: one for each session and kind, used again and again.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reconciliations")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The session; null once it was deleted.
    #[sea_orm(unique_key = "key")]
    pub session_id: Option<i64>,
    /// Why: `hourly`, `daily`, `restart` (WAHA started anew), `working` (the session works again), `silence`,
    /// `watchdog` (it is in trouble) or `command`; `people`: no messages, but what WAHA knows of the session and its
    /// people.
    #[sea_orm(unique_key = "key")]
    pub kind: String,
    /// `waiting` (to be done, or on the way), `done` or `stopped` (it can't be done, for `reason`).
    pub state: String,
    /// Why it stopped, or was not done at the last try: a word of a closed set.
    pub reason: Option<String>,
    /// From when on messages are compared.
    pub from_at: Option<DateTimeUtc>,
    /// Up to when.
    pub until_at: Option<DateTimeUtc>,
    /// Up to when that is done.
    pub cursor_at: Option<DateTimeUtc>,
    /// What caused it last: WAHA's start, or since when the session works or is silent, in ms since 1970. Of `people`
    /// where it goes on.
    pub mark: Option<i64>,
    /// When it is done next; null if it is not.
    pub due_at: Option<DateTimeUtc>,
    /// Until when a worker has it; null when none has.
    pub leased_until: Option<DateTimeUtc>,
    /// Grows with every worker that takes it: what one writes that lost it counts no more.
    pub lease_number: i64,
    /// Tries in a row that failed.
    pub failures: i32,
    /// Requests to WAHA since the present window was asked for.
    pub requests: i64,
    /// Messages that WAHA listed since then.
    pub listed: i64,
    /// Messages that were missing here, of those.
    pub missing: i64,
    /// Webhooks that were made from WAHA's list and are in the ledger; never goes back.
    pub accepted: i64,
    /// When it last ended.
    pub ended_at: Option<DateTimeUtc>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "reconciliations",
    columns: &[(
        None,
        &[
            "id",
            "session_id",
            "kind",
            "state",
            "reason",
            "from_at",
            "until_at",
            "cursor_at",
            "mark",
            "due_at",
            "leased_until",
            "lease_number",
            "failures",
            "requests",
            "listed",
            "missing",
            "accepted",
            "ended_at",
            "created_at",
            "updated_at",
        ],
    )],
};
