//! A job that replays the dead letters of a filter, one after the other, and survives the process
//! that runs it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Identity, Staff};

/// A row of `replay_jobs`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "replay_jobs")]
pub struct Model {
    /// Key of the row; the number that operators use.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Which dead letters: the filter as JSON.
    #[sea_orm(column_type = "Text")]
    pub filter: String,
    /// Hash of the filter while the job runs, null afterwards: at most one runs per filter.
    #[sea_orm(unique)]
    pub active_key: Option<String>,
    /// `running`, `done` or `cancelled`.
    pub state: String,
    /// Most replays per second; null: as many as the queue bears.
    pub rate: Option<f64>,
    /// Who asked for it.
    pub requested_by: String,
    /// From where.
    pub requested_from: String,
    /// How many dead letters the filter named at the start.
    pub total: i64,
    /// How many it has replayed.
    pub replayed: i64,
    /// The last dead letter that it has looked at; the next one is above.
    pub cursor_id: i64,
    /// The newest dead letter at the start; it goes no further.
    pub last_id: i64,
    /// Which process runs it: a random name.
    pub lease_owner: String,
    /// Until when that process may; afterwards another one may take it over.
    pub leased_until: DateTimeUtc,
    /// When it was asked for.
    pub started_at: DateTimeUtc,
    /// When it was done or cancelled.
    pub ended_at: Option<DateTimeUtc>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "replay_jobs",
    columns: &[
        (Some(Identity), &["filter"]),
        (Some(Staff), &["requested_by", "requested_from"]),
        (
            None,
            &[
                "id",
                "active_key",
                "state",
                "rate",
                "total",
                "replayed",
                "cursor_id",
                "last_id",
                "lease_owner",
                "leased_until",
                "started_at",
                "ended_at",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
