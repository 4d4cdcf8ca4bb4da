//! Which file a worker fetches next.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use entity::waha_attachments::{ActiveModel, Column, Entity};
use entity::{waha_chats, waha_messages, waha_sessions};

use super::{AttachmentRow, AttachmentState};
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// A file that this worker has.
#[derive(Clone, Debug)]
pub struct AttachmentTask {
    /// The row as it was taken.
    pub row: AttachmentRow,
    /// Its message.
    pub place: MessagePlace,
}

/// How long WAHA keeps a file, by default: the link of one that was told longer ago is dead.
pub(super) const LINK_LIFE: Duration = Duration::from_secs(180);

/// What is not taken at the moment.
#[derive(Clone, Debug, Default)]
pub struct LeftAlone {
    /// Files of these sources.
    pub sources: Vec<String>,
    /// Files of these sessions, by id, that were told so long ago that WAHA has to load them again.
    pub old_of_sessions: Vec<i64>,
    /// All files that were told so long ago.
    pub all_old: bool,
}

/// Where the message of a file is, for WAHA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessagePlace {
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// `NOWEB`, `GOWS`, `WEBJS` or `WPP`.
    pub engine: Option<String>,
    /// WhatsApp's id of the chat.
    pub chat: String,
    /// WAHA's serialized id of the message.
    pub waha_id: Option<String>,
    /// What kind of message it is, such as `image`.
    pub kind: Option<String>,
    /// The link as it was last told.
    pub media_url: Option<String>,
}

impl AttachmentTask {
    /// Whether it was told so long ago that WAHA has to load it again.
    pub fn is_late(&self, now: DateTime<Utc>) -> bool {
        self.row.created_at <= now - LINK_LIFE
    }
}

impl Store {
    /// Waits until a message told a file. May end without one.
    pub async fn file_told(&self) {
        self.file_told.notified().await;
    }

    /// Takes a file that is due, for so long; none if none is. Those come first whose link lives yet, then those
    /// that were tried least and are due for longest: what is late already must not make the others late.
    pub async fn take_attachment(
        &self,
        left_alone: &LeftAlone,
        lease: Duration,
    ) -> Result<Option<AttachmentTask>, StoreError> {
        let Some(found) = self.due_attachment(left_alone).await? else { return Ok(None) };
        let row = AttachmentRow {
            leased_until: Some(self.clock.now() + lease),
            lease_number: found.lease_number + 1,
            ..found.clone()
        };
        if !self.lease_attachment(&found, &row).await? {
            // Another worker was faster; there may be more.
            return Ok(None);
        }
        let place = self.message_place(&row).await?;
        Ok(Some(AttachmentTask { row, place }))
    }

    /// Keeps a file for longer; false if this worker has it no more.
    pub async fn renew_attachment(
        &self,
        task: &AttachmentTask,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let leased_until = Some(self.clock.now() + lease);
        self.lease_attachment(&task.row, &AttachmentRow { leased_until, ..task.row.clone() }).await
    }

    /// Gives a file back, to be fetched by whoever comes first.
    pub async fn release_attachment(&self, task: &AttachmentTask) -> Result<(), StoreError> {
        let free = AttachmentRow { leased_until: None, ..task.row.clone() };
        self.lease_attachment(&task.row, &free).await.map(drop)
    }

    async fn due_attachment(
        &self,
        left_alone: &LeftAlone,
    ) -> Result<Option<AttachmentRow>, StoreError> {
        let now = self.clock.now();
        let is_free =
            Condition::any().add(Column::LeasedUntil.is_null()).add(Column::LeasedUntil.lte(now));
        let LeftAlone { sources, old_of_sessions, all_old } = left_alone;
        let is_fresh = Column::CreatedAt.gt(now - LINK_LIFE);
        let mut select = Entity::find()
            .filter(Column::State.eq(AttachmentState::Waiting.name()))
            .filter(Column::NextTryAt.lte(now))
            .filter(is_free)
            .order_by_desc(is_fresh.clone())
            .order_by_asc(Column::Tries)
            .order_by_asc(Column::NextTryAt)
            .order_by_asc(Column::Id)
            .limit(1);
        if !sources.is_empty() {
            select = select
                .inner_join(waha_sessions::Entity)
                .filter(waha_sessions::Column::Source.is_not_in(sources));
        }
        if *all_old {
            select = select.filter(is_fresh);
        } else if !old_of_sessions.is_empty() {
            let is_other = Column::SessionId.is_not_in(old_of_sessions.iter().copied());
            select = select.filter(Condition::any().add(is_fresh).add(is_other));
        }
        Ok(select.one(&self.pool().db).await?)
    }

    /// Writes the lease of a row that is still as it was read.
    async fn lease_attachment(
        &self,
        before: &AttachmentRow,
        after: &AttachmentRow,
    ) -> Result<bool, StoreError> {
        let change = ActiveModel {
            leased_until: Set(after.leased_until),
            lease_number: Set(after.lease_number),
            ..ActiveModel::default()
        };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let update = Entity::update_many().set(change).filter(held(before));
        let changed = update.exec(&db).await?.rows_affected;
        db.commit().await?;
        // MySQL counts rows that differ: a lease that is renewed within the same millisecond does not.
        Ok(changed == 1 || before.lease_number == after.lease_number && before == after)
    }

    /// Where the message of a row is now: it may have become one with another.
    async fn message_place(&self, row: &AttachmentRow) -> Result<MessagePlace, StoreError> {
        let db = self.pool();
        let session = waha_sessions::Entity::find_by_id(row.session_id).one(&db.db).await?;
        let mut place = MessagePlace::default();
        if let Some(session) = session {
            (place.source, place.session) = (session.source, session.name);
            place.engine = session.engine;
        }
        let Some(id) = row.message_row_id else { return Ok(place) };
        let mut message = waha_messages::Entity::find_by_id(id).one(&db.db).await?;
        if let Some(other) = message.as_ref().and_then(|message| message.merged_into) {
            message = waha_messages::Entity::find_by_id(other).one(&db.db).await?;
        }
        let Some(message) = message else { return Ok(place) };
        let chat = waha_chats::Entity::find_by_id(message.chat_id).one(&db.db).await?;
        place.chat = chat.map(|chat| chat.chat_id).unwrap_or_default();
        (place.waha_id, place.kind) = (message.waha_id, message.r#type);
        place.media_url = message.media_url;
        Ok(place)
    }
}

/// The row, if whoever took it with this number still has it.
pub(super) fn held(row: &AttachmentRow) -> Condition {
    Condition::all()
        .add(Column::Id.eq(row.id))
        .add(Column::State.eq(AttachmentState::Waiting.name()))
        .add(Expr::col(Column::LeaseNumber).eq(row.lease_number))
}
