//! `waha_labels` and `waha_chat_labels`.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::{waha_chat_labels, waha_labels};

use super::{cut, cut_option, value, version};
use crate::change::{ChatLabelChange, ChatLabelKey, LabelChange, LabelKey};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_session(ChangeKind::Label, "label_id");
pub(in crate::store) const FOLLOWED_ON_CHAT: FollowedTable =
    FollowedTable::in_chat(ChangeKind::ChatLabel, "label_id");

pub(in crate::store) fn upsert(merging: Merging) -> Upsert<waha_labels::Entity> {
    use waha_labels::Column as C;
    Upsert::new(merging, &[C::SessionId, C::LabelId])
        .register(C::LookVersion, &[C::Name, C::Color, C::ColorHex])
        .register(C::DeletedVersion, &[C::Deleted])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn row(
    session_id: i64,
    key: &LabelKey,
    change: &LabelChange,
    now: DateTime<Utc>,
) -> waha_labels::ActiveModel {
    let LabelChange { look, deleted } = change;
    let told = value(look.as_ref());
    waha_labels::ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        label_id: Set(cut(&key.label_id, 255)),
        name: Set(told.and_then(|told| told.name.clone())),
        color: Set(told.and_then(|told| told.color)),
        color_hex: Set(cut_option(told.and_then(|told| told.color_hex.as_deref()), 32)),
        look_version: Set(version(look.as_ref())),
        deleted: Set(value(deleted.as_ref()).copied()),
        deleted_version: Set(version(deleted.as_ref())),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

pub(in crate::store) fn upsert_on_chat(merging: Merging) -> Upsert<waha_chat_labels::Entity> {
    use waha_chat_labels::Column as C;
    Upsert::new(merging, &[C::ChatId, C::LabelId])
        .register(C::Version, &[C::IsSet])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn on_chat_row(
    chat_id: i64,
    key: &ChatLabelKey,
    change: &ChatLabelChange,
    now: DateTime<Utc>,
) -> waha_chat_labels::ActiveModel {
    waha_chat_labels::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        label_id: Set(cut(&key.label_id, 255)),
        is_set: Set(change.value),
        version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
