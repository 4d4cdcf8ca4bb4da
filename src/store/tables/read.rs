//! `chat_reads`: how far somebody has read a chat, ordered by the time of reading.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::chat_reads::{ActiveModel, Column as C, Entity};

use super::cut;
use crate::change::{ReadChange, ReadKey};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_chat(ChangeKind::Read, "reader");

/// `user_id` is the applications'.
pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert<Entity> {
    Upsert::new(dialect, &[C::ChatId, C::Reader])
        .without(&[C::UserId])
        .register(C::ReadVersion, &[C::LastReadMessageId, C::LastReadAt])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn row(
    chat_id: i64,
    key: &ReadKey,
    change: &ReadChange,
    now: DateTime<Utc>,
) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        reader: Set(cut(&key.reader, 255)),
        user_id: NotSet,
        last_read_message_id: Set(Some(cut(&change.value.message_id, 255))),
        last_read_at: Set(Some(change.value.at)),
        read_version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
