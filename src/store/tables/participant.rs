//! `waha_participants`: one register per person and group. `waha_join_requests`: two.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::{waha_join_requests, waha_participants};

use super::{cut, cut_option, value, version};
use crate::change::{JoinRequestChange, JoinRequestKey, ParticipantChange, ParticipantKey};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_chat(ChangeKind::Participant, "jid");
pub(in crate::store) const FOLLOWED_REQUEST: FollowedTable =
    FollowedTable::in_chat(ChangeKind::JoinRequest, "jid");

pub(in crate::store) fn upsert(merging: Merging) -> Upsert<waha_participants::Entity> {
    use waha_participants::Column as C;
    Upsert::new(merging, &[C::ChatId, C::Jid])
        .register(C::Version, &[C::Role, C::IsMember])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn row(
    chat_id: i64,
    key: &ParticipantKey,
    change: &ParticipantChange,
    now: DateTime<Utc>,
) -> waha_participants::ActiveModel {
    waha_participants::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        jid: Set(cut(&key.jid, 255)),
        role: Set(change.value.name().to_owned()),
        is_member: Set(change.value.is_member()),
        version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

pub(in crate::store) fn upsert_request(merging: Merging) -> Upsert<waha_join_requests::Entity> {
    use waha_join_requests::Column as C;
    Upsert::new(merging, &[C::ChatId, C::Jid])
        .register_once_in(C::MethodVersion, C::Version, &[C::Method])
        .register(C::Version, &[C::State])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn request_row(
    chat_id: i64,
    key: &JoinRequestKey,
    change: &JoinRequestChange,
    now: DateTime<Utc>,
) -> waha_join_requests::ActiveModel {
    let JoinRequestChange { state, method } = change;
    waha_join_requests::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        jid: Set(cut(&key.jid, 255)),
        state: Set(cut(&state.value, 16)),
        version: Set(state.version.get()),
        method: Set(cut_option(value(method.as_ref()).map(String::as_str), 32)),
        method_version: Set(Some(version(method.as_ref()))),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
