//! Files that are let go of: first the row says so, then the file is removed, so that a worker that dies between
//! leaves a row that names what is still to be removed.
//!
//! Called by `media::removal`. Several workers may do it at once: removing a file twice is no error.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use entity::waha_attachments::{ActiveModel, Column, Entity};
use entity::waha_messages;

use super::{AttachmentRow, AttachmentState};
use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::tables::attachment;

/// Which stored files are let go of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalReason {
    /// They were stored before then.
    Old(DateTime<Utc>),
    /// Their messages were deleted here.
    MessageDeleted,
    /// Their messages were taken back by their senders; looked for among what was stored after then.
    MessageRevoked(DateTime<Utc>),
}

impl RemovalReason {
    /// As rows say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Old(_) => "retention",
            Self::MessageDeleted => "message_deleted",
            Self::MessageRevoked(_) => "message_revoked",
        }
    }

    fn condition(self) -> Condition {
        let stored = Condition::all().add(Column::State.eq(AttachmentState::Stored.name()));
        match self {
            Self::Old(before) => stored.add(Column::StoredAt.lt(before)),
            Self::MessageDeleted => stored.add(Column::MessageRowId.is_null()),
            Self::MessageRevoked(after) => {
                let revoked = Query::select()
                    .column((waha_messages::Entity, waha_messages::Column::Id))
                    .from(waha_messages::Entity)
                    .and_where(
                        Expr::col((waha_messages::Entity, waha_messages::Column::Id))
                            .equals((Entity, Column::MessageRowId)),
                    )
                    .and_where(waha_messages::Column::RevokedAt.is_not_null())
                    .take();
                stored.add(Column::StoredAt.gte(after)).add(Expr::exists(revoked))
            }
        }
    }
}

impl Store {
    /// Says of up to `rows_max` stored files that they are let go of. Returns how many.
    pub async fn condemn_attachments(
        &self,
        reason: RemovalReason,
        rows_max: u64,
    ) -> Result<u64, StoreError> {
        let ids: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(reason.condition())
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
        let context = self.write_context(&db);
        let change = ActiveModel {
            state: Set(AttachmentState::Removed.name().to_owned()),
            reason: Set(Some(reason.name().to_owned())),
            next_try_at: Set(Some(context.now)),
            updated_at: Set(context.now),
            ..ActiveModel::default()
        };
        let update = Entity::update_many()
            .set(change)
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Column::State.eq(AttachmentState::Stored.name()));
        let condemned = update.exec(&db).await?.rows_affected;
        let those = Cond::all()
            .add(Expr::col(Alias::new("id")).is_in(ids.iter().copied()))
            .add(Expr::col(Alias::new("state")).eq(AttachmentState::Removed.name()));
        context.log_written(&attachment::FOLLOWED, those).await?;
        let place = self.append_changes(&context).await?;
        self.commit_changes(db, place).await?;
        Ok(condemned)
    }

    /// Files that are still to be removed, by id, after one.
    pub async fn condemned_attachments(
        &self,
        after_id: i64,
        rows_max: u64,
    ) -> Result<Vec<AttachmentRow>, StoreError> {
        let rows = Entity::find()
            .filter(Column::State.eq(AttachmentState::Removed.name()))
            .filter(Column::NextTryAt.is_not_null())
            .filter(Column::Id.gt(after_id))
            .order_by_asc(Column::Id)
            .limit(rows_max);
        Ok(rows.all(&self.pool().db).await?)
    }

    /// Notes that these files are removed.
    pub async fn note_removed(&self, ids: &[i64]) -> Result<(), StoreError> {
        let now = self.clock.now();
        let change = ActiveModel {
            storage_key: Set(None),
            next_try_at: Set(None),
            updated_at: Set(now),
            ..ActiveModel::default()
        };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        Entity::update_many()
            .set(change)
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Column::State.eq(AttachmentState::Removed.name()))
            .exec(&db)
            .await?;
        db.commit().await?;
        Ok(())
    }

    /// Deletes up to `rows_max` rows whose messages were deleted and whose files are not there. Returns how many.
    pub async fn forget_attachments(&self, rows_max: u64) -> Result<u64, StoreError> {
        let ids: Vec<i64> = Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::MessageRowId.is_null())
            .filter(Column::StorageKey.is_null())
            .filter(Column::State.ne(AttachmentState::Waiting.name()))
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
        let delete = Entity::delete_many().filter(Column::Id.is_in(ids)).exec(&db).await?;
        db.commit().await?;
        Ok(delete.rows_affected)
    }
}
