//! A WhatsApp message. An ack, an edit, a revocation or a reaction that comes first makes the row
//! as a stub, which the message fills in later.

use sea_orm::entity::prelude::*;

use super::personal::Marks;
use super::personal::PersonalData::{Behaviour, Content, Identity, Name};

/// A row of `waha_messages`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waha_messages")]
pub struct Model {
    /// Key of the row.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// Session that sent or received the message.
    #[sea_orm(unique_key = "message")]
    pub session_id: i64,
    /// Row of the conversation in `waha_chats`, not WhatsApp's text id.
    #[sea_orm(unique_key = "message")]
    pub chat_id: i64,
    /// The bare id, third part of WAHA's id: the only part that all engines and events agree on.
    /// Chosen by the sender's client.
    #[sea_orm(unique_key = "message")]
    pub message_id: String,
    /// WAHA's whole id (`{fromMe}_{chat}_{bare id}[_{participant}]`), for calls back to WAHA.
    pub waha_id: Option<String>,
    /// True until a `message` or `message.any` told the content.
    pub is_stub: bool,
    /// Whether anything beside its own tellings decides about it: edits, revocations, claims of
    /// other authors. See `waha_message_edits`, `waha_message_revocations`, `waha_message_claims`.
    pub is_amended: bool,
    /// Who owns the row: the author told by the lowest version. Content of anybody else under the
    /// same bare id is ignored. Null for stubs.
    pub author: Option<String>,
    /// Lowest version of a webhook that told the owner's content; 0 as long as nobody owns it.
    pub author_version: i64,
    /// Whether the account itself wrote it.
    pub from_me: Option<bool>,
    /// Id of the author as WAHA told it: the participant in groups, else the other side or `me`.
    pub sender: Option<String>,
    /// Name that the author shows, from the engine's own data; of a business that shows none the one that
    /// WhatsApp verified. Often missing for own messages.
    #[sea_orm(column_type = "Text")]
    pub sender_name: Option<String>,
    /// Version of `sender_name`, or null.
    pub sender_name_version: Option<i64>,
    /// `text`, `image`, `video`, `audio`, `document`, `sticker`, `location`, `contact`, `poll` and
    /// so on, derived from the engine's own data.
    pub r#type: Option<String>,
    /// Whether WhatsApp or a client tells something and nobody wrote it: a key or a setting changed,
    /// somebody joined a group, pinned a message, called.
    pub is_notice: bool,
    /// What a person reads: text, caption, what was chosen of a list; after `message.edited` the newest
    /// text of the message's own author. Kept when the message is revoked.
    #[sea_orm(column_type = "Text")]
    pub content: Option<String>,
    /// Version of `content` as it was told. Null in rows of a release before 2026-11-27, as other
    /// versions below: then `content_version` holds for it.
    pub text_version: Option<i64>,
    /// The text before it was edited; null while it was not, or is a stub.
    #[sea_orm(column_type = "Text")]
    pub original_content: Option<String>,
    /// What the type adds, as a JSON object: location, contacts, poll, mentions, links.
    #[sea_orm(column_type = "Text")]
    pub details: Option<String>,
    /// Bare id of the message that this one answers.
    pub reply_to: Option<String>,
    /// Who wrote the answered message.
    pub reply_to_sender: Option<String>,
    /// Text of the answered message, as quoted.
    #[sea_orm(column_type = "Text")]
    pub reply_to_content: Option<String>,
    /// Version of `reply_to*`, or null.
    pub reply_version: Option<i64>,
    /// Whether the message was forwarded, as far as the engine says.
    pub is_forwarded: Option<bool>,
    /// `api` if WAHA's API sent it, else `app`.
    pub origin: Option<String>,
    /// When it was sent, by the sender's clock or WhatsApp's. May be absurd; orders nothing.
    pub sent_at: Option<DateTimeUtc>,
    /// When its content was first stored here, by the worker's clock; null for stubs and in rows of a release
    /// before 2026-11-28.
    pub stored_at: Option<DateTimeUtc>,
    /// Version of what the engine tells with the `type`: `waha_id`, `from_me`, `sender`, `is_notice`,
    /// `details`, `is_forwarded`, `has_media`, `origin`, `sent_at`.
    pub content_version: i64,
    /// Whether the message has a file. No promise that it could be loaded.
    pub has_media: Option<bool>,
    /// Where WAHA keeps the file, for 180 s by default. Null if not loaded.
    #[sea_orm(column_type = "Text")]
    pub media_url: Option<String>,
    /// MIME type of the file, possibly with parameters (`audio/ogg; codecs=opus`).
    pub media_mime_type: Option<String>,
    /// Name that the sender gave the file. Text of a stranger: never a path.
    #[sea_orm(column_type = "Text")]
    pub media_file_name: Option<String>,
    /// Why WAHA could not load the file.
    #[sea_orm(column_type = "Text")]
    pub media_error: Option<String>,
    /// Version of `media_*`.
    pub media_version: i64,
    /// `pending`, `failed`, `sent`, `delivered`, `read` or `played`. From `message.ack`,
    /// `message.ack.group` and the ack inside messages. Only forward.
    pub status: Option<String>,
    /// WAHA's number of that status: -1 failed, 0 pending, 1 to 4 sent to played.
    pub ack: Option<i16>,
    /// Order of the statuses: -1 unknown, 0 pending, 1 failed, 2 sent, 3 delivered, 4 read,
    /// 5 played.
    pub status_rank: i16,
    /// Why it could not be sent, as last told. Stays when a later try succeeds.
    #[sea_orm(column_type = "Text")]
    pub status_reason: Option<String>,
    /// Version of `status_reason`.
    pub status_reason_version: i64,
    /// Order of the status as far as it was told of what others wrote, in direct chats: what stays
    /// if an own message of the same id turns out to be in another chat. Null as long as not told.
    pub received_rank: Option<i16>,
    /// When it was last edited, from `message.edited`.
    pub edited_at: Option<DateTimeUtc>,
    /// Version of the newest edit.
    pub edited_version: i64,
    /// When it was first revoked, from `message.revoked`. Final.
    pub revoked_at: Option<DateTimeUtc>,
    /// Who revoked it; in groups possibly an admin.
    pub revoked_by: Option<String>,
    /// Row of the message that this one turned out to be. This one is emptied and stays, so that whoever
    /// refers to it finds the message; it points to one that points nowhere.
    pub merged_into: Option<i64>,
    /// When the row was made, by the database's clock.
    pub created_at: DateTimeUtc,
    /// When something of it was last changed that an application sees.
    pub updated_at: DateTimeUtc,

    /// The session behind `session_id`.
    #[sea_orm(belongs_to, from = "session_id", to = "id")]
    pub session: BelongsTo<super::waha_sessions::Entity>,
    /// The conversation behind `chat_id`.
    #[sea_orm(belongs_to, from = "chat_id", to = "id")]
    pub chat: BelongsTo<super::waha_chats::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// What its columns tell of persons.
pub(super) const MARKS: Marks = Marks {
    table: "waha_messages",
    columns: &[
        (
            Some(Identity),
            &[
                "message_id",
                "waha_id",
                "author",
                "sender",
                "reply_to",
                "reply_to_sender",
                "revoked_by",
            ],
        ),
        (Some(Name), &["sender_name"]),
        (
            Some(Content),
            &[
                "content",
                "original_content",
                "details",
                "reply_to_content",
                "media_url",
                "media_file_name",
            ],
        ),
        (
            Some(Behaviour),
            &[
                "sent_at",
                "status",
                "ack",
                "status_rank",
                "received_rank",
                "edited_at",
                "revoked_at",
            ],
        ),
        (
            None,
            &[
                "id",
                "session_id",
                "chat_id",
                "is_stub",
                "is_amended",
                "author_version",
                "from_me",
                "sender_name_version",
                "type",
                "is_notice",
                "text_version",
                "reply_version",
                "is_forwarded",
                "origin",
                "stored_at",
                "content_version",
                "has_media",
                "media_mime_type",
                "media_error",
                "media_version",
                "status_reason",
                "status_reason_version",
                "edited_version",
                "merged_into",
                "created_at",
                "updated_at",
            ],
        ),
    ],
};
