//! One id of a person. A person has a phone id (`…@c.us`) and an anonymous one (`…@lid`): both are
//! rows, and `phone` is the same in both once a webhook shows that they are one person.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Identity, Name};

/// A row of `waha_contacts`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_contacts")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Session that knows the person.
    #[sea_orm(unique_key = "contact")]
    pub session_id: i64,
    /// The id: `…@c.us` or `…@lid`.
    #[sea_orm(unique_key = "contact")]
    pub jid: String,
    /// The person's name in all keys: the phone id, `…@c.us`; of several linked ones the one that sorts
    /// first. Equal to `jid` for a phone id that stands for itself; null for a LID without a known phone.
    pub phone: Option<String>,
    /// The person's LID; of several the one that sorts first. Null until known.
    pub lid: Option<String>,
    /// Name that the person chose, from messages. Kept in the row whose `jid` is the person's `phone`,
    /// else in the LID's own row.
    #[sea_orm(column_type = "Text")]
    pub push_name: Option<String>,
    /// Version of `push_name`: the hour, and a hash of the name.
    pub push_name_version: i64,
    /// Name under which WhatsApp finds the person without a number. Kept in the row that has
    /// `push_name`.
    pub username: Option<String>,
    /// Version of `username`: the hour, and a hash of it.
    pub username_version: i64,
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
    table: "waha_contacts",
    columns: &[
        (Some(Identity), &["jid", "phone", "lid"]),
        (Some(Name), &["push_name", "username"]),
        (
            None,
            &[
                "id",
                "session_id",
                "push_name_version",
                "username_version",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
