//! How our webhook stands in the configuration of each session of WAHA.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Identity;

/// A row of `webhook_registrations`: one for each session that WAHA lists, whether it ever told anything or not.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_registrations")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Configured WAHA server.
    #[sea_orm(unique_key = "key")]
    pub source: String,
    /// WAHA's name of the session.
    #[sea_orm(unique_key = "key")]
    pub session: String,
    /// `registered`, `differs`, `missing`, `global` (WAHA's environment has it, for all sessions) or `unseen` (it is
    /// missing, and the environment can't be seen with the key).
    pub state: String,
    /// What is otherwise, with commas: `missing`, `repeated`, `events`, `key`, `retries`, `global`.
    pub differences: Option<String>,
    /// Why it was not put right, if that was tried: a word of a closed set.
    pub problem: Option<String>,
    /// Since when it stands so.
    pub since_at: DateTimeUtc,
    /// When it was last looked at.
    pub checked_at: DateTimeUtc,
    /// When a worker last began to put it right.
    pub applied_at: Option<DateTimeUtc>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "webhook_registrations",
    columns: &[
        (Some(Identity), &["session"]),
        (
            None,
            &[
                "id",
                "source",
                "state",
                "differences",
                "problem",
                "since_at",
                "checked_at",
                "applied_at",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
