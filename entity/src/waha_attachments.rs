//! The file of a message, and what became of fetching it from WAHA.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Content, Identity};

/// A row of `waha_attachments`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_attachments")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Session of the message.
    pub session_id: i64,
    /// Row of the message in `waha_messages`; null once that was deleted.
    #[sea_orm(unique)]
    pub message_row_id: Option<i64>,
    /// The message's bare id.
    pub message_id: String,
    /// `waiting`, `stored`, `gone` (nobody has it any more), `refused` (it was not to be taken), `failed`
    /// (given up) or `removed` (it was kept, and let go of). All but the first are final until somebody asks for
    /// another try.
    pub state: String,
    /// Why it is not stored yet, or will not be: a word of a closed set.
    pub reason: Option<String>,
    /// Tries that failed. Outages are none.
    pub tries: i32,
    /// When it is tried next; null when it is not. Of one that is removed: since when the file is to go; null once
    /// it is gone.
    pub next_try_at: Option<DateTimeUtc>,
    /// Until when a worker has it; null when none has.
    pub leased_until: Option<DateTimeUtc>,
    /// Grows with every worker that takes it: what one writes that lost it counts no more.
    pub lease_number: i64,
    /// MIME type as WAHA told it.
    pub told_mime_type: Option<String>,
    /// SHA-256 of the file as its sender's client told it, in hex.
    pub told_sha256: Option<String>,
    /// Name that the sender gave the file. Text of a stranger: never a path.
    #[sea_orm(column_type = "Text")]
    pub file_name: Option<String>,
    /// MIME type by the file's first bytes; null if they tell none.
    pub mime_type: Option<String>,
    /// Length of the stored file.
    pub size_bytes: Option<i64>,
    /// SHA-256 of the stored file, in hex.
    pub sha256: Option<String>,
    /// Where it is, below the folder or in the bucket.
    pub storage_key: Option<String>,
    /// When it was stored.
    pub stored_at: Option<DateTimeUtc>,
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
    table: "waha_attachments",
    columns: &[
        (Some(Identity), &["message_id"]),
        (Some(Content), &["told_sha256", "file_name", "sha256", "storage_key"]),
        (
            None,
            &[
                "id",
                "session_id",
                "message_row_id",
                "state",
                "reason",
                "tries",
                "next_try_at",
                "leased_until",
                "lease_number",
                "told_mime_type",
                "mime_type",
                "size_bytes",
                "stored_at",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
