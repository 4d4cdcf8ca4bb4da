//! One replay of one dead letter: written in the transaction that marks the dead letter.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `dead_letter_replays`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letter_replays")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The job that did it.
    #[sea_orm(unique_key = "replay")]
    pub job_id: i64,
    /// The dead letter; takes this row along when it is deleted.
    #[sea_orm(unique_key = "replay")]
    pub dead_letter_id: i64,
    /// When it was marked, to be published next.
    pub replayed_at: DateTimeUtc,
    /// When the queue was known to have it.
    pub published_at: Option<DateTimeUtc>,
    /// When it was published once more, because a process died before it knew about the first time.
    pub repeated_at: Option<DateTimeUtc>,
    /// When it came to its outcome.
    pub ended_at: Option<DateTimeUtc>,
    /// `applied`, `ignored`, `duplicate`, `dead_lettered`, or `cancelled` before it was published.
    pub outcome: Option<String>,
    /// Why, where there is a why.
    pub reason: Option<String>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,

    /// The dead letter behind `dead_letter_id`.
    #[sea_orm(belongs_to, from = "dead_letter_id", to = "id")]
    pub dead_letter: BelongsTo<super::dead_letters::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "dead_letter_replays",
    columns: &[(
        None,
        &[
            "id",
            "job_id",
            "dead_letter_id",
            "replayed_at",
            "published_at",
            "repeated_at",
            "ended_at",
            "outcome",
            "reason",
            "created_at",
            "updated_at",
        ],
    )],
};
