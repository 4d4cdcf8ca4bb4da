//! `waha_chats`: name, description and archived are registers, the last messages only move forward.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_chats::{ActiveModel, Column as C, Entity};

use super::{cut, cut_option, value, version};
use crate::change::{ChatChange, ChatKey};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;
use crate::waha::jid::ChatKind;

pub(in crate::store) const TABLE: &str = "waha_chats";

/// Its rows are chats.
pub(in crate::store) const FOLLOWED: FollowedTable = FollowedTable {
    chat: Some("id"),
    ..FollowedTable::in_session(ChangeKind::ChatUpdated, "chat_id")
};
/// The same, of rows that are new.
pub(in crate::store) const FOLLOWED_NEW: FollowedTable =
    FollowedTable { kind: ChangeKind::ChatCreated, ..FOLLOWED };
/// The same, of rows that point to another one.
pub(in crate::store) const FOLLOWED_POINTERS: FollowedTable =
    FollowedTable { kind: ChangeKind::ChatMerged, ..FOLLOWED };

pub(in crate::store) fn upsert(merging: Merging) -> Upsert<Entity> {
    make(merging)
        .register(C::NameVersion, &[C::Name])
        .register(C::DescriptionVersion, &[C::Description])
        .register(C::ArchivedVersion, &[C::Archived])
        .further(C::LastMessageAt, C::LastMessageId)
        .latest(C::LastInboundAt)
        .latest(C::LastOutboundAt)
        .touch(C::UpdatedAt)
}

/// Makes rows that are not there.
pub(in crate::store) fn make(merging: impl Into<Merging>) -> Upsert<Entity> {
    Upsert::new(merging, &[C::SessionId, C::ChatId]).without(&[C::MergedInto])
}

pub(in crate::store) fn row(
    session_id: i64,
    key: &ChatKey,
    change: &ChatChange,
    now: DateTime<Utc>,
) -> ActiveModel {
    let ChatChange { name, description, archived, last_message, last_inbound_at, last_outbound_at } =
        change;
    let last_message_id = last_message.as_ref().map(|message| message.message_id.as_str());
    ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        chat_id: Set(cut(&key.chat_id, 255)),
        kind: Set(ChatKind::of(&key.chat_id).name().to_owned()),
        name: Set(value(name.as_ref()).cloned()),
        name_version: Set(version(name.as_ref())),
        description: Set(value(description.as_ref()).cloned().flatten()),
        description_version: Set(version(description.as_ref())),
        archived: Set(value(archived.as_ref()).copied()),
        archived_version: Set(version(archived.as_ref())),
        last_message_at: Set(last_message.as_ref().map(|message| message.at)),
        last_message_id: Set(cut_option(last_message_id, 255)),
        last_inbound_at: Set(*last_inbound_at),
        last_outbound_at: Set(*last_outbound_at),
        merged_into: NotSet,
        created_at: NotSet,
        updated_at: Set(now),
    }
}

/// What stays when all of it has moved to the row of the conversation, because this one turned out to be
/// another name of it.
pub(in crate::store) fn emptied() -> ActiveModel {
    ActiveModel {
        name: Set(None),
        name_version: Set(0),
        description: Set(None),
        description_version: Set(0),
        archived: Set(None),
        archived_version: Set(0),
        last_message_at: Set(None),
        last_message_id: Set(None),
        last_inbound_at: Set(None),
        last_outbound_at: Set(None),
        ..ActiveModel::default()
    }
}

/// Points rows that are there to the rows of their conversations.
pub(in crate::store) fn upsert_pointers(dialect: Dialect) -> Upsert<Entity> {
    Upsert::new(dialect, &[C::SessionId, C::ChatId])
        .only(&[C::SessionId, C::ChatId, C::UpdatedAt, C::Kind, C::MergedInto])
        .replace(C::MergedInto)
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn pointer(
    session_id: i64,
    key: &ChatKey,
    conversation: i64,
    now: DateTime<Utc>,
) -> ActiveModel {
    ActiveModel {
        session_id: Set(session_id),
        chat_id: Set(cut(&key.chat_id, 255)),
        kind: Set(ChatKind::of(&key.chat_id).name().to_owned()),
        merged_into: Set(Some(conversation)),
        updated_at: Set(now),
        ..ActiveModel::default()
    }
}
