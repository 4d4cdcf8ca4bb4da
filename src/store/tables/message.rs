//! `waha_messages`: content, text, file and the like are registers of the author who owns the row; the
//! status only moves forward. What an edit or another author's claim makes of it, `apply/conflicts` decides.
//!
//! `waha_message_claims` has the columns that an author tells, too: both rows are made by one macro.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_messages::{ActiveModel, Column as C, Entity};

use super::cut;
use crate::change::own::is_person;
use crate::change::{MessageChange, MessageKey, MessageStatus};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable = FollowedTable {
    session: Some("session_id"),
    ..FollowedTable::in_chat(ChangeKind::MessageUpdated, "message_id")
};

const KEY: [C; 3] = [C::SessionId, C::ChatId, C::MessageId];
/// The columns that `apply/conflicts/shown` derives.
const SHOWN: [C; 6] =
    [C::Content, C::OriginalContent, C::EditedAt, C::EditedVersion, C::RevokedAt, C::RevokedBy];
/// What the engine's form says of a message.
const CONTENT: [C; 10] = [
    C::WahaId,
    C::FromMe,
    C::Sender,
    C::Type,
    C::IsNotice,
    C::Details,
    C::IsForwarded,
    C::HasMedia,
    C::Origin,
    C::SentAt,
];
const REPLY: [C; 3] = [C::ReplyTo, C::ReplyToSender, C::ReplyToContent];
/// Versions of what was part of the content once.
const APART: [C; 3] = [C::TextVersion, C::SenderNameVersion, C::ReplyVersion];
const MEDIA: [C; 4] = [C::MediaUrl, C::MediaMimeType, C::MediaFileName, C::MediaError];
/// What only says how far a message got.
const STATUS: [C; 6] =
    [C::Status, C::Ack, C::StatusRank, C::ReceivedRank, C::StatusReason, C::StatusReasonVersion];

/// A row with what an author told, `Option<&Told>`, and the columns that are the row's own.
macro_rules! told_row {
    ($told:expr, $row:ident { $($own:tt)* }) => {{
        use $crate::store::tables::{cut_option, value, version};

        let told: Option<&$crate::change::Told> = $told;
        let content = told.map(|told| &told.content.value);
        let text = told.and_then(|told| told.text.as_ref());
        let sender_name = told.and_then(|told| told.sender_name.as_ref());
        let answered = told.and_then(|told| told.reply.as_ref());
        let reply = value(answered);
        let media = told.and_then(|told| told.media.as_ref());
        let file = value(media);
        $row {
            author_version: Set(told.map_or(0, |told| told.first.get())),
            waha_id: Set(cut_option(content.map(|it| it.waha_id.as_str()), 512)),
            from_me: Set(content.map(|it| it.from_me)),
            sender: Set(cut_option(content.and_then(|it| it.sender.as_deref()), 255)),
            sender_name: Set(value(sender_name).cloned()),
            sender_name_version: Set(Some(version(sender_name))),
            r#type: Set(cut_option(content.map(|it| it.kind.as_ref()), 32)),
            is_notice: Set(content.is_some_and(|it| it.is_notice)),
            content: Set(value(text).cloned()),
            text_version: Set(Some(version(text))),
            details: Set(content.and_then(|it| it.details.clone())),
            reply_to: Set(cut_option(reply.map(|it| it.message_id.as_str()), 255)),
            reply_to_sender: Set(cut_option(reply.and_then(|it| it.sender.as_deref()), 255)),
            reply_to_content: Set(reply.and_then(|it| it.text.clone())),
            reply_version: Set(Some(version(answered))),
            is_forwarded: Set(content.and_then(|it| it.is_forwarded)),
            has_media: Set(content.and_then(|it| it.has_media)),
            origin: Set(cut_option(content.and_then(|it| it.origin).map(|it| it.name()), 8)),
            sent_at: Set(content.and_then(|it| it.sent_at)),
            content_version: Set(told.map_or(0, |told| told.content.version.get())),
            media_url: Set(file.and_then(|it| it.url.clone())),
            media_mime_type: Set(cut_option(file.and_then(|it| it.mime_type.as_deref()), 255)),
            media_file_name: Set(file.and_then(|it| it.file_name.clone())),
            media_error: Set(file.and_then(|it| it.error.clone())),
            media_version: Set(version(media)),
            $($own)*
        }
    }};
}
pub(super) use told_row;

/// Inserts what is told; what edits and revocations make of it is derived later.
fn make(merging: impl Into<Merging>) -> Upsert<Entity> {
    Upsert::new(merging, &KEY).without(&[C::EditedAt, C::RevokedAt, C::RevokedBy, C::MergedInto])
}

/// Adds what is told to what is there, as long as it is the same author's or nobody's.
pub(in crate::store) fn upsert(merging: Merging) -> Upsert<Entity> {
    let upsert = make(merging);
    let old = |column| upsert.old_value(column);
    let new = |column| upsert.new_value(column);
    let told = format!("{} IS NOT NULL", new(C::Author));
    let first = format!("{told} AND {}", old(C::IsStub));
    let free = format!("{told} AND {} IS NULL", old(C::Author));
    let mine = format!("({told} AND ({} IS NULL OR {0} = {}))", old(C::Author), new(C::Author));
    let newer = |version| format!("{mine} AND {}", upsert.is_newer(version, &old(version)));
    let (content, media) = (newer(C::ContentVersion), newer(C::MediaVersion));
    let once = |version| upsert.version_once_in(version, C::ContentVersion);
    let apart = |version| format!("{mine} AND {}", upsert.is_newer(version, &once(version)));
    let kept = |version| {
        let (newer, new) = (apart(version), new(version));
        format!("CASE WHEN {newer} THEN {new} ELSE {} END", once(version))
    };
    let [text, sender_name, reply] = APART.map(apart);
    let [text_version, sender_name_version, reply_version] = APART.map(kept);
    let edited = format!("{} > 0", old(C::EditedVersion));
    let original = format!(
        "CASE WHEN {text} AND {edited} THEN {} ELSE {} END",
        new(C::Content),
        old(C::OriginalContent),
    );
    let earlier = format!(
        "{mine} AND ({} IS NULL OR {} < {})",
        old(C::Author),
        new(C::AuthorVersion),
        old(C::AuthorVersion)
    );
    let is_amended = new(C::IsAmended);
    // What decides about others comes after them: first the versions, last the author.
    upsert
        .assign(C::OriginalContent, original)
        .when(&format!("{text} AND NOT ({edited})"), &[C::Content])
        .assign(C::TextVersion, text_version)
        .when(&sender_name, &[C::SenderName])
        .assign(C::SenderNameVersion, sender_name_version)
        .when(&reply, &REPLY)
        .assign(C::ReplyVersion, reply_version)
        .when(&content, &CONTENT)
        .when(&content, &[C::ContentVersion])
        .when(&media, &MEDIA)
        .when(&media, &[C::MediaVersion])
        .when(&first, &[C::StoredAt])
        .when(&told, &[C::IsStub])
        .when(&earlier, &[C::AuthorVersion])
        .when(&free, &[C::Author])
        .when(&is_amended, &[C::IsAmended])
        .register(C::StatusRank, &[C::Status, C::Ack])
        .register(C::StatusReasonVersion, &[C::StatusReason])
        .latest(C::ReceivedRank)
        .touch(C::UpdatedAt)
}

/// Replaces what a row that is there shows of its edits and revocations.
pub(in crate::store) fn shown(dialect: Dialect) -> Upsert<Entity> {
    let columns: Vec<C> = KEY.into_iter().chain(SHOWN).chain([C::UpdatedAt]).collect();
    let upsert = Upsert::new(dialect, &KEY).only(&columns);
    upsert.replace_all_but(&[C::UpdatedAt]).touch(C::UpdatedAt)
}

/// Replaces what the owner of a row tells, as if it had never been edited: for rows that are locked
/// and about to be settled. From then on others' claims decide about it, too.
pub(in crate::store) fn rewrite(dialect: Dialect) -> Upsert<Entity> {
    let kept: Vec<C> = STATUS.into_iter().chain([C::StoredAt, C::UpdatedAt]).collect();
    make(dialect).replace_all_but(&kept).touch(C::UpdatedAt)
}

/// What stays of a row that turned out to be another message's; its key is free then.
pub(in crate::store) fn emptied(id: i64, now: DateTime<Utc>) -> ActiveModel {
    told_row!(
        None,
        ActiveModel {
            message_id: Set(format!("merged:{id}")),
            is_stub: Set(true),
            is_amended: Set(false),
            author: Set(None),
            stored_at: Set(None),
            original_content: Set(None),
            edited_at: Set(None),
            edited_version: Set(0),
            revoked_at: Set(None),
            revoked_by: Set(None),
            status: Set(None),
            ack: Set(None),
            status_rank: Set(-1),
            status_reason: Set(None),
            status_reason_version: Set(0),
            received_rank: Set(None),
            updated_at: Set(now),
            ..ActiveModel::default()
        }
    )
}

pub(in crate::store) fn row(
    session_id: i64,
    chat_id: i64,
    key: &MessageKey,
    change: &MessageChange,
    is_amended: bool,
    now: DateTime<Utc>,
) -> ActiveModel {
    let (author, told) = change.owner().unzip();
    let MessageChange { told: _, status, status_reason, own_status } = change;
    let received = status.filter(|_| is_person(&key.chat));
    let status = (*status).max(*own_status);
    told_row!(
        told,
        ActiveModel {
            id: NotSet,
            session_id: Set(session_id),
            chat_id: Set(chat_id),
            message_id: Set(cut(&key.message_id, 255)),
            is_stub: Set(told.is_none()),
            is_amended: Set(is_amended),
            author: Set(author.map(|author| cut(author, 255))),
            stored_at: Set(told.map(|_| now)),
            merged_into: NotSet,
            original_content: Set(None),
            edited_at: NotSet,
            edited_version: Set(0),
            revoked_at: NotSet,
            revoked_by: NotSet,
            status: Set(status.map(|status| cut(status.name(), 16))),
            ack: Set(status.map(MessageStatus::ack)),
            status_rank: Set(status.map_or(-1, MessageStatus::rank)),
            status_reason: Set(value(status_reason.as_ref()).cloned()),
            status_reason_version: Set(version(status_reason.as_ref())),
            received_rank: Set(received.map(MessageStatus::rank)),
            created_at: NotSet,
            updated_at: Set(now),
        }
    )
}
