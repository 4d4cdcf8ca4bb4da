//! Deletes dead letters that are settled, old entries of the audit log, and old probes of sessions.
//!
//! Invariant: a dead letter that waits or is being replayed stays, and so does every entry that the equation of
//! `status` adds up: what was imported and what was settled.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use entity::{audit_logs, dead_letters, waha_session_probes};

use crate::store::Store;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::AuditAction;
use crate::store::sql::error::StoreError;

/// Entries that the equation counts.
const COUNTED: [AuditAction; 2] = [AuditAction::Import, AuditAction::Settle];

/// Dead letters that were replayed or discarded before.
pub(super) fn settled_letters(before: DateTime<Utc>) -> Condition {
    use dead_letters::Column;
    let settled = [DeadLetterState::Replayed, DeadLetterState::Discarded];
    Condition::all()
        .add(Column::State.is_in(settled.map(DeadLetterState::name)))
        .add(Column::ResolvedAt.lt(before))
}

/// Entries that the equation does not count.
pub(super) fn uncounted_entries() -> Condition {
    Condition::all().add(audit_logs::Column::Action.is_not_in(COUNTED.map(AuditAction::name)))
}

impl Store {
    /// Deletes up to `rows_max` dead letters that were replayed or discarded before `before`, with their replays
    /// and edits. Returns how many.
    pub async fn forget_letters(
        &self,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<u64, StoreError> {
        use dead_letters::{Column, Entity};
        let ids: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(settled_letters(before))
            .order_by_asc(Column::Id)
            .limit(rows_max)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let _turn = self.turn().await;
        let db = self.begin().await?;
        // Somebody may have taken one back meanwhile.
        let deleted = Entity::delete_many()
            .filter(Column::Id.is_in(ids))
            .filter(settled_letters(before))
            .exec(&db)
            .await?;
        db.commit().await?;
        Ok(deleted.rows_affected)
    }

    /// Deletes up to `rows_max` of the oldest entries of the audit log, up to the first one that is not from
    /// before `before`. Returns how many.
    pub async fn forget_audit_logs(
        &self,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<u64, StoreError> {
        use audit_logs::{Column, Entity};
        let entries = Entity::find().filter(uncounted_entries());
        self.forget_oldest(entries, [Column::Id, Column::DoneAt], before, rows_max).await
    }

    /// Deletes up to `rows_max` of the oldest probes of sessions, up to the first one that is not from before
    /// `before`. Returns how many.
    pub async fn forget_probes(
        &self,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<u64, StoreError> {
        use waha_session_probes::{Column, Entity};
        self.forget_oldest(Entity::find(), [Column::Id, Column::At], before, rows_max).await
    }

    /// Deletes up to `rows_max` of the oldest of these rows, up to the first one that is not from before `before`:
    /// the columns of id, by which the oldest come first, and of time. Returns how many.
    async fn forget_oldest<E: EntityTrait>(
        &self,
        rows: Select<E>,
        [id, time]: [E::Column; 2],
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<u64, StoreError> {
        let oldest: Vec<(i64, DateTime<Utc>)> = rows
            .select_only()
            .columns([id, time])
            .order_by_asc(id)
            .limit(rows_max)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let old = oldest.into_iter().take_while(|(_, at)| *at < before).map(|(id, _)| id);
        let ids: Vec<i64> = old.collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let deleted = E::delete_many().filter(id.is_in(ids)).exec(&db).await?;
        db.commit().await?;
        Ok(deleted.rows_affected)
    }
}
