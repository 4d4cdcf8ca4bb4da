//! A worker that runs, or that ended without a word: each beats every few seconds and says what it has
//! in hand.

use sea_orm::entity::prelude::*;

use super::personal::Marks;

/// A row of `waha_processes`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_processes")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The process: a random name, because numbers of processes come again.
    #[sea_orm(unique)]
    pub instance: String,
    /// The machine, pod or container it runs on, as that is called there.
    pub host: String,
    /// Its number there.
    pub pid: i64,
    /// Its release.
    pub version: String,
    /// `work` or `up`.
    pub role: String,
    /// When it started, by its own clock.
    pub started_at: DateTimeUtc,
    /// When it last beat, by its own clock.
    pub seen_at: DateTimeUtc,
    /// How often it has beaten: grows while it lives, whatever its clock says.
    pub beats: i64,
    /// On how many of the broker's queues it listens; null if it could not tell, or without a broker.
    pub consumers: Option<i64>,
    /// Webhooks of the lane `sessions` that it has taken from the broker and not ended; null as above.
    pub in_hand_sessions: Option<i64>,
    /// The same of `messages`.
    pub in_hand_messages: Option<i64>,
    /// The same of `calls`.
    pub in_hand_calls: Option<i64>,
    /// The same of `chats`.
    pub in_hand_chats: Option<i64>,
    /// The same of what the broker gave up.
    pub in_hand_given_up: Option<i64>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_processes",
    columns: &[(
        None,
        &[
            "id",
            "instance",
            "host",
            "pid",
            "version",
            "role",
            "started_at",
            "seen_at",
            "beats",
            "consumers",
            "in_hand_sessions",
            "in_hand_messages",
            "in_hand_calls",
            "in_hand_chats",
            "in_hand_given_up",
            "created_at",
            "updated_at",
        ],
    )],
};
