//! Somebody who is logged in to the console. Bookkeeping of the admin listener.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::Staff;

/// A row of `console_sessions`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "console_sessions")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// SHA-256 of what the browser's cookie holds, in hex: who reads the table can be nobody.
    #[sea_orm(unique)]
    pub id_hash: String,
    /// Name of the token that was used to log in.
    pub token_name: String,
    /// HMAC of the token's name and secret under the cookie, in hex: with another secret, the session is over.
    pub binding: String,
    /// When it ends.
    pub expires_at: DateTimeUtc,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "console_sessions",
    columns: &[
        (Some(Staff), &["token_name"]),
        (None, &["id", "id_hash", "binding", "expires_at", "created_at", "updated_at"]),
    ],
};
