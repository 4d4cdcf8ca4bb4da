//! What became of fetching a file.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait};
use sea_orm::{EntityTrait, QueryFilter, Set};

use entity::waha_attachments::{ActiveModel, Entity};

use super::lease::held;
use super::{AttachmentState, AttachmentTask};
use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::tables::attachment;

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachmentEnd {
    /// It is kept.
    Stored(StoredFile),
    /// It is tried again.
    Waits {
        /// When.
        at: DateTime<Utc>,
        /// Why it is not there yet.
        reason: &'static str,
        /// Whether this was a try: an outage is none.
        is_try: bool,
    },
    /// It is not tried any more.
    Final {
        /// Not `Waiting`, and not `Stored`.
        state: AttachmentState,
        /// Why.
        reason: &'static str,
    },
}

/// A file that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// MIME type by its first bytes.
    pub mime_type: Option<String>,
    /// Its length.
    pub size_bytes: u64,
    /// Of its bytes, in hex.
    pub sha256: String,
    /// Where it is.
    pub storage_key: String,
    /// Its name as its sender told it, if WAHA told that now.
    pub file_name: Option<String>,
}

impl Store {
    /// Writes how a try ended; false if this worker has the file no more, and then nothing is written.
    pub async fn end_attachment(
        &self,
        task: &AttachmentTask,
        end: AttachmentEnd,
    ) -> Result<bool, StoreError> {
        let is_news = !matches!(end, AttachmentEnd::Waits { .. });
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let context = self.write_context(&db);
        let change = ActiveModel { updated_at: Set(context.now), ..ended(task, end, context.now) };
        let update = Entity::update_many().set(change).filter(held(&task.row));
        if update.exec(&db).await?.rows_affected == 0 {
            db.rollback().await?;
            return Ok(false);
        }
        if is_news {
            let this = Cond::all().add(Expr::col(Alias::new("id")).eq(task.row.id));
            context.log_written(&attachment::FOLLOWED, this).await?;
        }
        let place = self.append_changes(&context).await?;
        self.commit_changes(db, place).await?;
        Ok(true)
    }
}

fn ended(task: &AttachmentTask, end: AttachmentEnd, now: DateTime<Utc>) -> ActiveModel {
    let free = ActiveModel { leased_until: Set(None), ..ActiveModel::default() };
    match end {
        AttachmentEnd::Stored(stored) => {
            let StoredFile { mime_type, size_bytes, sha256, storage_key, file_name } = stored;
            ActiveModel {
                state: Set(AttachmentState::Stored.name().to_owned()),
                reason: Set(None),
                next_try_at: Set(None),
                mime_type: Set(mime_type),
                size_bytes: Set(i64::try_from(size_bytes).ok()),
                sha256: Set(Some(sha256)),
                storage_key: Set(Some(storage_key)),
                file_name: Set(task.row.file_name.clone().or(file_name)),
                stored_at: Set(Some(now)),
                ..free
            }
        }
        AttachmentEnd::Waits { at, reason, is_try } => ActiveModel {
            reason: Set(Some(reason.to_owned())),
            tries: Set(task.row.tries.saturating_add(i32::from(is_try))),
            next_try_at: Set(Some(at)),
            ..free
        },
        AttachmentEnd::Final { state, reason } => ActiveModel {
            state: Set(state.name().to_owned()),
            reason: Set(Some(reason.to_owned())),
            tries: Set(task.row.tries.saturating_add(1)),
            next_try_at: Set(None),
            ..free
        },
    }
}
