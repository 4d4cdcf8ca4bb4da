//! An application that the feed is delivered to: how far it got, and what keeps it from getting more.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `feed_consumers`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "feed_consumers")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// As the configuration calls it; `exchange` is the exchange on RabbitMQ.
    #[sea_orm(unique)]
    pub name: String,
    /// `webhook` or `exchange`.
    pub kind: String,
    /// Of which feed the position is.
    pub epoch: String,
    /// Everything up to here is delivered, or was not for this consumer.
    pub position: i64,
    /// How often it was rewound: part of the id of each delivery, so that what is sent again is not taken for
    /// a repetition.
    pub generation: i64,
    /// `active`, `paused` or `gone`: the feed no longer has what comes after the position.
    pub state: String,
    /// Why it is not active.
    #[sea_orm(column_type = "Text")]
    pub reason: Option<String>,
    /// Why the last delivery failed; null since one got through.
    #[sea_orm(column_type = "Text")]
    pub last_error: Option<String>,
    /// Since when deliveries fail; null while they get through.
    pub failing_since: Option<DateTimeUtc>,
    /// When the next one is tried, while they fail.
    pub next_try_at: Option<DateTimeUtc>,
    /// When the last one got through.
    pub delivered_at: Option<DateTimeUtc>,
    /// Which process delivers: a random name. Null when it stopped.
    pub lease_owner: Option<String>,
    /// Grows with whatever that process does: as long as it grows nobody takes over.
    pub lease_number: i64,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "feed_consumers",
    columns: &[(
        None,
        &[
            "id",
            "name",
            "kind",
            "epoch",
            "position",
            "generation",
            "state",
            "reason",
            "last_error",
            "failing_since",
            "next_try_at",
            "delivered_at",
            "lease_owner",
            "lease_number",
            "created_at",
            "updated_at",
        ],
    )],
};
