//! A session: a WhatsApp account on a source. Made by the first webhook that names it.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity, Name, Staff};

/// A row of `waha_sessions`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_sessions")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Configured WAHA server that the webhooks came from.
    #[sea_orm(unique_key = "session")]
    pub source: String,
    /// WAHA's name of the session; sessions of different sources may share it.
    #[sea_orm(unique_key = "session")]
    pub name: String,
    /// `STOPPED`, `STARTING`, `SCAN_QR_CODE`, `WORKING`, `FAILED`, `PASSKEY_REQUIRED` and whatever
    /// WAHA adds. From `session.status`; null until one was seen.
    pub status: Option<String>,
    /// When the session entered the status, as WAHA told it (the last of `statuses`).
    pub status_at: Option<DateTimeUtc>,
    /// Version of `status` and `status_at`.
    pub status_version: i64,
    /// `WEBJS`, `NOWEB`, `GOWS` or `WPP`. From the envelope of every webhook.
    pub engine: Option<String>,
    /// Release of WAHA, such as `2026.4.1`. From the envelope's `environment`.
    pub waha_version: Option<String>,
    /// The account by phone number, `…@c.us`. From the envelope's `me`; null before pairing.
    pub me_id: Option<String>,
    /// Version of `me_id`; null in rows of a release before 2026-11-27, where `identity_version` holds.
    pub me_id_version: Option<i64>,
    /// The account by WhatsApp's anonymous id, `…@lid`. From `me`; not every engine knows it.
    pub me_lid: Option<String>,
    /// Version of `me_lid`; null in rows of a release before 2026-11-27, where `identity_version` holds.
    pub me_lid_version: Option<i64>,
    /// The account with its device, `…:14@s.whatsapp.net`. From `me`; GOWS and some NOWEB only.
    pub me_jid: Option<String>,
    /// Version of `me_jid`; null in rows of a release before 2026-11-27, where `identity_version` holds.
    pub me_jid_version: Option<i64>,
    /// Name that the account shows to others. From `me`.
    #[sea_orm(column_type = "Text")]
    pub push_name: Option<String>,
    /// Version of `push_name`; null in rows of a release before 2026-11-27, where `identity_version` holds.
    pub push_name_version: Option<i64>,
    /// The envelope's `metadata`: a JSON object that the owner of the session gave to WAHA.
    #[sea_orm(column_type = "Text")]
    pub metadata: Option<String>,
    /// User of the application who owns the session: the value of the configured metadata key.
    pub user_id: Option<String>,
    /// Version of `metadata` and `user_id`; null in rows of a release before 2026-11-27, where `identity_version` holds.
    pub metadata_version: Option<i64>,
    /// Version of `engine` and `waha_version`.
    pub identity_version: i64,
    /// Whether WhatsApp keeps the account from writing to strangers, a JSON object of
    /// `session.status` since WAHA 2026.7.
    #[sea_orm(column_type = "Text")]
    pub reachout_timelock: Option<String>,
    /// Version of `reachout_timelock`.
    pub reachout_timelock_version: i64,
    /// How many messages WhatsApp lets the account send, a JSON object of `session.status` since
    /// WAHA 2026.7.
    #[sea_orm(column_type = "Text")]
    pub message_capping: Option<String>,
    /// Version of `message_capping`.
    pub message_capping_version: i64,
    /// The session's configuration in WAHA, a JSON object. No webhook carries it: workers ask for it daily, where
    /// the source has an API. What is secret in it (keys, passwords, values of headers) is `***`.
    #[sea_orm(column_type = "Text")]
    pub config: Option<String>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,

    /// The conversations of the account.
    #[sea_orm(has_many)]
    pub chats: HasMany<super::waha_chats::Entity>,
    /// The messages of all its conversations.
    #[sea_orm(has_many)]
    pub messages: HasMany<super::waha_messages::Entity>,
    /// Its calls.
    #[sea_orm(has_many)]
    pub calls: HasMany<super::waha_calls::Entity>,
    /// Who may see it.
    #[sea_orm(has_many)]
    pub users: HasMany<super::user_waha::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_sessions",
    columns: &[
        (Some(Identity), &["name", "me_id", "me_lid", "me_jid"]),
        (Some(Name), &["push_name"]),
        (Some(Content), &["metadata", "config"]),
        (Some(Behaviour), &["status", "status_at", "reachout_timelock", "message_capping"]),
        (Some(Staff), &["user_id"]),
        (
            None,
            &[
                "id",
                "source",
                "status_version",
                "engine",
                "waha_version",
                "me_id_version",
                "me_lid_version",
                "me_jid_version",
                "push_name_version",
                "metadata_version",
                "identity_version",
                "reachout_timelock_version",
                "message_capping_version",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
