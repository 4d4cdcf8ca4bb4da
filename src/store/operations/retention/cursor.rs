//! Up to where of a table nothing is left to do, in `retention_cursors`; what jobs that walk tables share.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use entity::retention_cursors::{ActiveModel, Column, Entity, Model};

use crate::store::Store;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::operations::processes::AHEAD_MAX;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

/// How often a table is walked from its beginning.
const WALK_EVERY: TimeDelta = TimeDelta::days(7);
/// Rows so near the end may stand behind others that are not committed yet.
pub(super) const UNCOMMITTED_MAX: i64 = 100_000;

/// Whether the last walk is long ago. One that claims to be of the time to come is no reason to wait.
pub(super) fn is_walk_due(walked_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    walked_at < now - WALK_EVERY || walked_at > now + AHEAD_MAX
}

impl Store {
    /// How far the job of this name got; none if it never began.
    pub(super) async fn cursor(&self, name: &str) -> Result<Option<Model>, StoreError> {
        Ok(Entity::find().filter(Column::Name.eq(name)).one(&self.pool().db).await?)
    }

    /// Says how far it got; `walked_at` stays without one.
    pub(super) async fn write_cursor(
        &self,
        db: &CheckedTransaction,
        name: &str,
        cursor: i64,
        walked_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let row = ActiveModel {
            id: NotSet,
            name: Set(name.to_owned()),
            cursor_id: Set(cursor),
            walked_at: Set(None),
            created_at: NotSet,
            updated_at: Set(now),
        };
        Upsert::<Entity>::new(self.dialect, &[Column::Name]).run(db, vec![row]).await?;
        let walked_at = walked_at.map_or(NotSet, |at| Set(Some(at)));
        let moved = ActiveModel {
            cursor_id: Set(cursor),
            walked_at,
            updated_at: Set(now),
            ..ActiveModel::default()
        };
        Entity::update_many().set(moved).filter(Column::Name.eq(name)).exec(db).await?;
        Ok(())
    }

    /// Begins a walk: until it ends, `walked_at` is null and the cursor says how far it got.
    pub(super) async fn begin_walk(&self, name: &str) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        self.write_cursor(&db, name, 0, None).await?;
        let walking = ActiveModel { walked_at: Set(None), ..ActiveModel::default() };
        Entity::update_many().set(walking).filter(Column::Name.eq(name)).exec(&db).await?;
        db.commit().await
    }
}
