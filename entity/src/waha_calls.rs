//! A call. WAHA tells of calls to the account, and not of their end; the entry that WhatsApp leaves in the
//! chat tells outcome and length, where an engine passes it on.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Identity};

/// A row of `waha_calls`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_calls")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Session that was called.
    #[sea_orm(unique_key = "call")]
    pub session_id: i64,
    /// WhatsApp's id of the call, the same in `call.received`, `call.accepted` and `call.rejected`.
    #[sea_orm(unique_key = "call")]
    pub call_id: String,
    /// Row of the conversation with the caller or the group; null if the caller is unknown.
    pub chat_id: Option<i64>,
    /// Who called.
    pub from_jid: Option<String>,
    /// Who was called: the account, or whom it called.
    pub to_jid: Option<String>,
    /// Group of a group call, from the engine's own data.
    pub group_jid: Option<String>,
    /// State of the call: `received`, `accepted` or `rejected` (which includes missed). Only
    /// forward.
    pub r#type: Option<String>,
    /// Order of the states: -1 unknown, 0 received, 1 accepted, 2 rejected.
    pub state_rank: i16,
    /// Whether it is a video call.
    pub is_video: Option<bool>,
    /// Version of `is_video`; apart from the others, because rejections may tell it wrongly.
    pub is_video_version: i64,
    /// Whether a group was called.
    pub is_group: Option<bool>,
    /// Version of `from_jid`, `to_jid`, `group_jid` and `is_group`.
    pub details_version: i64,
    /// Earliest time told by a `call.received`.
    pub received_at: Option<DateTimeUtc>,
    /// Earliest time told by a `call.accepted` (NOWEB and GOWS only).
    pub accepted_at: Option<DateTimeUtc>,
    /// Earliest time told by a `call.rejected`.
    pub rejected_at: Option<DateTimeUtc>,
    /// Why, as far as the engine says: declined on purpose (`reject`, `api`), rang out (`timeout`), or
    /// only that it ended (`terminate`), which replaces none of the others.
    pub rejected_reason: Option<String>,
    /// Version of `rejected_reason`.
    pub rejected_reason_version: i64,
    /// How it ended, by the call's entry in the chat: `connected`, `missed`, `failed`, `rejected`,
    /// `accepted_elsewhere`, `ongoing`, `silenced_by_dnd`, `silenced_unknown_caller`.
    pub outcome: Option<String>,
    /// Version of `outcome`.
    pub outcome_version: i64,
    /// How many seconds they spoke, by the same entry.
    pub duration_s: Option<i32>,
    /// Version of `duration_s`.
    pub duration_version: i64,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,

    /// The session behind `session_id`.
    #[sea_orm(belongs_to, from = "session_id", to = "id")]
    pub session: BelongsTo<super::waha_sessions::Entity>,
    /// The conversation behind `chat_id`.
    #[sea_orm(belongs_to, from = "chat_id", to = "id")]
    pub chat: BelongsTo<Option<super::waha_chats::Entity>>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_calls",
    columns: &[
        (Some(Identity), &["call_id", "from_jid", "to_jid", "group_jid"]),
        (
            Some(Behaviour),
            &[
                "received_at",
                "accepted_at",
                "rejected_at",
                "rejected_reason",
                "outcome",
                "duration_s",
            ],
        ),
        (
            None,
            &[
                "id",
                "session_id",
                "chat_id",
                "type",
                "state_rank",
                "is_video",
                "is_video_version",
                "is_group",
                "details_version",
                "rejected_reason_version",
                "outcome_version",
                "duration_version",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
