//! What applications and operators ask of files, and that they are tried again.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, Func};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Select, Set,
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use entity::waha_attachments::{ActiveModel, Column, Entity};
use entity::{waha_messages, waha_sessions};

use super::lease::LINK_LIFE;
use super::{AttachmentRow, AttachmentState};
use crate::store::Store;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::operations::page::RowPage;
use crate::store::operations::sessions::SessionReach;
use crate::store::sql::error::StoreError;

/// Which files.
#[derive(Clone, Debug, Default)]
pub struct AttachmentFilter {
    /// Of these sessions.
    pub reach: SessionReach,
    /// Only what became this of.
    pub state: Option<AttachmentState>,
    /// Only for this reason.
    pub reason: Option<String>,
}

/// A file, as applications and operators see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Attachment)]
pub struct AttachmentReport {
    /// Its id.
    pub id: i64,
    /// Row of its message in `waha_messages`; none once that was deleted.
    pub message: Option<i64>,
    /// The message's bare id.
    pub message_id: String,
    /// `waiting`, `stored`, `gone`, `refused`, `failed` or `removed`.
    pub state: String,
    /// Why it is not stored.
    pub reason: Option<String>,
    /// Tries that failed.
    pub tries: i32,
    /// When it is tried next.
    pub next_try_at: Option<DateTime<Utc>>,
    /// MIME type by its first bytes.
    pub mime_type: Option<String>,
    /// MIME type as its sender told it: not to be believed.
    pub told_mime_type: Option<String>,
    /// Its name as its sender told it: never a path.
    pub file_name: Option<String>,
    /// Its length.
    pub size_bytes: Option<i64>,
    /// SHA-256 of its bytes, in hex.
    pub sha256: Option<String>,
    /// When it was stored.
    pub stored_at: Option<DateTime<Utc>>,
}

impl From<AttachmentRow> for AttachmentReport {
    fn from(row: AttachmentRow) -> Self {
        Self {
            id: row.id,
            message: row.message_row_id,
            message_id: row.message_id,
            state: row.state,
            reason: row.reason,
            tries: row.tries,
            next_try_at: row.next_try_at,
            mime_type: row.mime_type,
            told_mime_type: row.told_mime_type,
            file_name: row.file_name,
            size_bytes: row.size_bytes,
            sha256: row.sha256,
            stored_at: row.stored_at,
        }
    }
}

/// Files that are to be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct WaitingFiles {
    /// How many.
    pub count: i64,
    /// When the first of them was told.
    pub oldest_at: Option<DateTime<Utc>>,
}

/// Files that wait for longer than WAHA keeps them, by default: it may have to load them again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LateFiles {
    /// How many.
    pub count: u64,
    /// When the first of them was told.
    pub oldest_at: DateTime<Utc>,
    /// Why most of them wait; none if they were not tried yet.
    pub reason: Option<String>,
}

/// Those that wait for one reason.
#[derive(FromQueryResult)]
struct LateGroup {
    count: i64,
    oldest_at: DateTime<Utc>,
    reason: Option<String>,
}

impl Store {
    /// Files that wait for longer than WAHA keeps them; none if there are none.
    pub async fn late_files(&self) -> Result<Option<LateFiles>, StoreError> {
        let groups: Vec<LateGroup> = Entity::find()
            .select_only()
            .expr_as(Expr::expr(Func::count(Expr::col(Column::Id))), "count")
            .expr_as(Expr::expr(Func::min(Expr::col(Column::CreatedAt))), "oldest_at")
            .column(Column::Reason)
            .filter(Column::State.eq(AttachmentState::Waiting.name()))
            .filter(Column::CreatedAt.lt(self.clock.now() - LINK_LIFE))
            .group_by(Column::Reason)
            .into_model()
            .all(&self.pool().db)
            .await?;
        let count = groups.iter().map(|group| u64::try_from(group.count).unwrap_or_default()).sum();
        let oldest_at = groups.iter().map(|group| group.oldest_at).min();
        let most = groups.into_iter().max_by_key(|group| group.count);
        Ok(oldest_at.map(|oldest_at| LateFiles {
            count,
            oldest_at,
            reason: most.and_then(|group| group.reason),
        }))
    }

    /// A file within reach.
    pub async fn attachment(
        &self,
        reach: &SessionReach,
        id: i64,
    ) -> Result<Option<AttachmentRow>, StoreError> {
        let row = within(reach).filter(Column::Id.eq(id));
        Ok(row.one(&self.pool().db).await?)
    }

    /// The files of a message within reach, also of rows that became one with it.
    pub async fn attachments_of_message(
        &self,
        reach: &SessionReach,
        message_row_id: i64,
    ) -> Result<Vec<AttachmentRow>, StoreError> {
        use waha_messages::Column as Message;
        let db = self.reading();
        let merged = waha_messages::Entity::find()
            .select_only()
            .column(Message::Id)
            .filter(Message::MergedInto.eq(message_row_id));
        let mut ids: Vec<i64> = merged.into_tuple().all(&db).await?;
        ids.push(message_row_id);
        let rows = within(reach).filter(Column::MessageRowId.is_in(ids));
        Ok(rows.order_by_asc(Column::Id).all(&db).await?)
    }

    /// Files by id.
    pub async fn attachments(
        &self,
        filter: &AttachmentFilter,
        page: RowPage,
    ) -> Result<Vec<AttachmentRow>, StoreError> {
        let rows = within(&filter.reach)
            .filter(filter.condition())
            .filter(Column::Id.gt(page.after_id))
            .filter(Column::Id.lte(page.last_id));
        let rows = rows.order_by_asc(Column::Id).limit(page.limit);
        Ok(rows.all(&self.reading()).await?)
    }

    /// Files that wait. By index: what has ended is not read.
    pub async fn waiting_files(&self) -> Result<WaitingFiles, StoreError> {
        let select = Entity::find()
            .select_only()
            .expr_as(Expr::expr(Func::count(Expr::col(Column::Id))), "count")
            .expr_as(Expr::expr(Func::min(Expr::col(Column::CreatedAt))), "oldest_at")
            .filter(Column::State.eq(AttachmentState::Waiting.name()))
            .into_model::<WaitingFiles>();
        Ok(select.one(&self.pool().db).await?.unwrap_or_default())
    }

    /// Has these files tried again at once, as if they had never been; those that are stored are left alone.
    /// Returns how many there are. In the audit log.
    pub async fn retry_attachments(&self, ids: &[i64], actor: &Actor) -> Result<u64, StoreError> {
        let retried = Condition::all()
            .add(Column::State.ne(AttachmentState::Stored.name()))
            // One that was let go of is removed first.
            .add(Column::StorageKey.is_null());
        self.fetch_again(ids, retried, actor).await
    }

    /// Has these fetched again, which are stored and were found to be damaged. Returns how many. In the audit log.
    pub async fn refetch_attachments(&self, ids: &[i64], actor: &Actor) -> Result<u64, StoreError> {
        let stored = Condition::all().add(Column::State.eq(AttachmentState::Stored.name()));
        self.fetch_again(ids, stored, actor).await
    }

    async fn fetch_again(
        &self,
        ids: &[i64],
        which: Condition,
        actor: &Actor,
    ) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let change = ActiveModel {
            state: Set(AttachmentState::Waiting.name().to_owned()),
            reason: Set(None),
            tries: Set(0),
            next_try_at: Set(Some(now)),
            // What is there is removed when another try has stored it.
            storage_key: Set(None),
            updated_at: Set(now),
            ..ActiveModel::default()
        };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let update = Entity::update_many()
            .set(change)
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(which);
        let affected = update.exec(&db).await?.rows_affected;
        let entry = AuditEntry {
            filter: Some(json!({ "attachments": ids }).to_string()),
            affected,
            ..AuditEntry::new(AuditAction::Retry, actor)
        };
        audit::insert(&db, &entry, now).await?;
        db.commit().await?;
        self.file_told.notify_one();
        Ok(affected)
    }
}

fn within(reach: &SessionReach) -> Select<Entity> {
    Entity::find().inner_join(waha_sessions::Entity).filter(reach.condition())
}

impl AttachmentFilter {
    fn condition(&self) -> Condition {
        Condition::all()
            .add_option(self.state.map(|state| Column::State.eq(state.name())))
            .add_option(self.reason.as_ref().map(|reason| Column::Reason.eq(reason)))
    }
}
