//! `waha_calls`: the state only moves forward, the rest are registers and earliest times.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_calls::{ActiveModel, Column as C, Entity};

use super::{cut, cut_option, value, version};
use crate::change::{CallChange, CallKey, CallState};
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::merging::Merging;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable = FollowedTable {
    chat: Some("chat_id"),
    ..FollowedTable::in_session(ChangeKind::Call, "call_id")
};

pub(in crate::store) fn upsert(merging: Merging) -> Upsert<Entity> {
    let details = [C::ChatId, C::FromJid, C::ToJid, C::GroupJid, C::IsGroup];
    Upsert::new(merging, &[C::SessionId, C::CallId])
        .register(C::StateRank, &[C::Type])
        .register(C::DetailsVersion, &details)
        .register(C::IsVideoVersion, &[C::IsVideo])
        .earliest(C::ReceivedAt)
        .earliest(C::AcceptedAt)
        .earliest(C::RejectedAt)
        .register(C::RejectedReasonVersion, &[C::RejectedReason])
        .register(C::OutcomeVersion, &[C::Outcome])
        .register(C::DurationVersion, &[C::DurationS])
        .touch(C::UpdatedAt)
}

pub(in crate::store) fn row(
    session_id: i64,
    chat_id: Option<i64>,
    key: &CallKey,
    change: &CallChange,
    now: DateTime<Utc>,
) -> ActiveModel {
    let CallChange {
        state,
        details,
        is_video,
        received_at,
        accepted_at,
        rejected_at,
        rejected_reason,
        outcome,
        duration_s,
    } = change;
    let told = value(details.as_ref());
    ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        call_id: Set(cut(&key.call_id, 255)),
        chat_id: Set(chat_id),
        from_jid: Set(cut_option(told.and_then(|told| told.from.as_deref()), 255)),
        to_jid: Set(cut_option(told.and_then(|told| told.to.as_deref()), 255)),
        group_jid: Set(cut_option(told.and_then(|told| told.group.as_deref()), 255)),
        is_group: Set(told.map(|told| told.is_group)),
        details_version: Set(version(details.as_ref())),
        r#type: Set(cut_option(state.map(CallState::name), 16)),
        state_rank: Set(state.map_or(-1, CallState::rank)),
        is_video: Set(value(is_video.as_ref()).copied()),
        is_video_version: Set(version(is_video.as_ref())),
        received_at: Set(*received_at),
        accepted_at: Set(*accepted_at),
        rejected_at: Set(*rejected_at),
        rejected_reason: Set(cut_option(value(rejected_reason.as_ref()).map(String::as_str), 64)),
        rejected_reason_version: Set(version(rejected_reason.as_ref())),
        outcome: Set(cut_option(value(outcome.as_ref()).map(String::as_str), 32)),
        outcome_version: Set(version(outcome.as_ref())),
        duration_s: Set(value(duration_s.as_ref()).copied()),
        duration_version: Set(version(duration_s.as_ref())),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
