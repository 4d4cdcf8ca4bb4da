//! `waha_participants` and `waha_join_requests`: one register per person and group.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::{waha_join_requests, waha_participants};

use super::{cut, cut_option};
use crate::change::{JoinRequestChange, JoinRequestKey, ParticipantChange, ParticipantKey};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_chat(ChangeKind::Participant, "jid");
pub(in crate::store) const FOLLOWED_REQUEST: FollowedTable =
    FollowedTable::in_chat(ChangeKind::JoinRequest, "jid");

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert<waha_participants::Entity> {
    use waha_participants::Column as C;
    Upsert::new(dialect, &[C::ChatId, C::Jid])
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

pub(in crate::store) fn upsert_request(dialect: Dialect) -> Upsert<waha_join_requests::Entity> {
    use waha_join_requests::Column as C;
    Upsert::new(dialect, &[C::ChatId, C::Jid])
        .register(C::Version, &[C::State, C::Method])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn request_row(
    chat_id: i64,
    key: &JoinRequestKey,
    change: &JoinRequestChange,
    now: DateTime<Utc>,
) -> waha_join_requests::ActiveModel {
    waha_join_requests::ActiveModel {
        id: NotSet,
        chat_id: Set(chat_id),
        jid: Set(cut(&key.jid, 255)),
        state: Set(cut(&change.value.state, 16)),
        method: Set(cut_option(change.value.method.as_deref(), 32)),
        version: Set(change.version.get()),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
