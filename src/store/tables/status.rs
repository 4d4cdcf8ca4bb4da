//! `waha_session_statuses`: what was told once stays.

use chrono::{DateTime, Utc};
use sea_orm::{NotSet, Set};

use entity::waha_session_statuses::{ActiveModel, Column as C, Entity};

use super::cut;
use crate::change::StatusPoint;
use crate::store::feed::{ChangeKind, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const FOLLOWED: FollowedTable =
    FollowedTable::in_session(ChangeKind::SessionStatus, "status");

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert<Entity> {
    Upsert::new(dialect, &[C::SessionId, C::At, C::Status])
}

pub(in crate::store) fn row(
    session_id: i64,
    point: &StatusPoint,
    now: DateTime<Utc>,
) -> ActiveModel {
    let StatusPoint { at, status } = point;
    ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        at: Set(*at),
        status: Set(cut(status, 32)),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
