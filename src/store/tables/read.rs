//! `chat_reads`: how far somebody has read a chat, ordered by the time of reading. Marks of an application's
//! users are its own: they have version 0, and of two that meet the further one stays.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::chat_reads::{ActiveModel, Column as C, Entity};

use super::cut;
use crate::change::chat::USER_READER;
use crate::change::{ReadChange, ReadKey};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_chat(ChangeKind::Read, "reader");

/// What a mark is.
const MARK: [C; 2] = [C::LastReadMessageId, C::LastReadAt];

/// `user_id` is the applications'.
pub(in crate::store) fn upsert(merging: Merging) -> Upsert<Entity> {
    let upsert = Upsert::new(merging, &[C::ChatId, C::Reader]).without(&[C::UserId]);
    let [new, old] = [upsert.new_value(C::ReadVersion), upsert.old_value(C::ReadVersion)];
    let newer = upsert.is_newer(C::ReadVersion, &old);
    let further = upsert.is_further(C::LastReadAt, C::LastReadMessageId);
    let newer = format!("{newer} AND {new} > 0");
    let wins = format!("({newer}) OR ({new} = 0 AND {old} = 0 AND ({further}))");
    upsert.when(&wins, &MARK).when(&newer, &[C::ReadVersion]).touch(C::UpdatedAt)
}

/// Marks of an application's users: only forward, unless the user goes back. Of one time the later one stays: it
/// is of all that was there by then.
pub(in crate::store) fn upsert_of_user(dialect: Dialect, goes_back: bool) -> Upsert<Entity> {
    let upsert = Upsert::new(dialect, &[C::ChatId, C::Reader]).replace(C::UserId);
    let upsert = if goes_back {
        MARK.into_iter().fold(upsert, Upsert::replace)
    } else {
        let [new, old] = [upsert.new_value(C::LastReadAt), upsert.old_value(C::LastReadAt)];
        upsert.when(&format!("{old} IS NULL OR {new} >= {old}"), &MARK)
    };
    upsert.touch(C::UpdatedAt)
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

/// For [`upsert_of_user`].
pub(in crate::store) fn row_of_user(
    chat_id: i64,
    user_id: &str,
    message_id: Option<String>,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        reader: Set(format!("{USER_READER}{user_id}")),
        user_id: Set(Some(user_id.to_owned())),
        last_read_message_id: Set(message_id),
        last_read_at: Set(Some(at)),
        read_version: Set(0),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
