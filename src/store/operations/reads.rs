//! How far users of an application have read conversations: rows of `chat_reads` that no webhook writes.
//!
//! Called by `admin`. Invariant: a mark is in the row of the conversation, whichever of its names it is told
//! for: the chat's row is locked meanwhile, and who merges chats writes that row before it moves the marks.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::{chat_reads, waha_chats, waha_messages as message};

use super::sessions::SessionReach;
use crate::change::chat::USER_READER;
use crate::store::Store;
use crate::store::apply::chat_moves::chats_of;
use crate::store::connect::transaction::WriteContext;
use crate::store::sql::error::StoreError;
use crate::store::sql::locks::lock_row;
use crate::store::tables::{chat, read};

pub use entity::chat_reads::Model as ReadRow;

/// Names of a conversation lead to it at once; one more where a merge came in between.
const POINTERS_MAX: usize = 4;

/// Up to where somebody has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadUpTo {
    /// The message with this bare id.
    Message(String),
    /// The newest message up to this time.
    Time(DateTime<Utc>),
}

/// What a user says to have read.
#[derive(Clone, Debug)]
pub struct UserRead {
    /// Row of the chat, by any of its names.
    pub chat_id: i64,
    /// The application's id of the user: at most 250 bytes, no control characters.
    pub user_id: String,
    /// How far.
    pub up_to: ReadUpTo,
    /// Whether the mark may go back: else one that is further stays.
    pub goes_back: bool,
}

/// Why a mark can't be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadRefusal {
    /// There is no such chat, or it is out of reach.
    #[error("chat")]
    Chat,
    /// The chat shows no such message.
    #[error("message in this chat")]
    Message,
}

/// The last message that was read, and when it was sent.
type Mark = (Option<String>, DateTime<Utc>);

impl Store {
    /// Sets how far a user has read a conversation within reach; returns the mark as it is then. Telling the
    /// same again changes nothing.
    pub async fn mark_read(
        &self,
        told: &UserRead,
        reach: &SessionReach,
    ) -> Result<Result<ReadRow, ReadRefusal>, StoreError> {
        let sessions = self.session_ids_within(reach).await?;
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let context = self.write_context(&db);
        let refusal = match conversation(&context, told.chat_id, &sessions).await? {
            Some(chat) => match mark(&context, &chat, &told.up_to).await? {
                Some(mark) => {
                    let row = write(&context, chat.id, told, mark).await?;
                    let place = self.append_changes(&context).await?;
                    self.commit_changes(db, place).await?;
                    return Ok(Ok(row));
                }
                None => ReadRefusal::Message,
            },
            None => ReadRefusal::Chat,
        };
        db.rollback().await?;
        Ok(Err(refusal))
    }
}

/// The row of the conversation, locked.
async fn conversation(
    context: &WriteContext<'_>,
    chat_id: i64,
    sessions: &[i64],
) -> Result<Option<waha_chats::Model>, StoreError> {
    let mut id = chat_id;
    for _ in 0..POINTERS_MAX {
        lock_row(context.db, chat::TABLE, id).await?;
        let row = waha_chats::Entity::find_by_id(id).one(context.db).await?;
        let Some(row) = row.filter(|row| sessions.contains(&row.session_id)) else {
            return Ok(None);
        };
        match row.merged_into {
            Some(conversation) => id = conversation,
            None => return Ok(Some(row)),
        }
    }
    Err(StoreError::Vanished(chat::TABLE))
}

/// The message up to which is read, and when. A time before all messages is a mark, too; one to come is none,
/// or what comes until then would be read.
async fn mark(
    context: &WriteContext<'_>,
    chat: &waha_chats::Model,
    up_to: &ReadUpTo,
) -> Result<Option<Mark>, StoreError> {
    let chats = chats_of(context.db, chat.id).await?;
    let found = match up_to {
        ReadUpTo::Message(id) => shown(chat, &chats).filter(message::Column::MessageId.eq(id)),
        ReadUpTo::Time(at) => newest_until(context, chat, &chats, *at),
    };
    let found: Option<(String, Option<DateTime<Utc>>, DateTime<Utc>)> =
        found.into_tuple().one(context.db).await?;
    Ok(match (found, up_to) {
        (Some((_, Some(sent_at), _)), _) => Some(mark_at(context, chat, &chats, sent_at).await?),
        (Some((id, None, created_at)), _) => Some((Some(id), created_at)),
        (None, ReadUpTo::Time(at)) => Some((None, Ord::min(*at, context.now))),
        (None, ReadUpTo::Message(_)) => None,
    })
}

/// The mark for a message that was sent then. Its time is at most that of the chat's last message: one that
/// claims a day to come would have what comes until then read. Its message is the newest row of that time, so
/// that what comes later with the same time, which has whole seconds, is unread.
async fn mark_at(
    context: &WriteContext<'_>,
    chat: &waha_chats::Model,
    chats: &[i64],
    sent_at: DateTime<Utc>,
) -> Result<Mark, StoreError> {
    let at = chat.last_message_at.map_or(sent_at, |last| Ord::min(sent_at, last));
    let bound = |at: DateTime<Utc>| Expr::val(context.dialect.bind(at.into()));
    let newest = shown(chat, chats)
        .filter(Expr::col(message::Column::SentAt).gte(bound(at)))
        .filter(Expr::col(message::Column::SentAt).lte(bound(sent_at)))
        .order_by_desc(message::Column::Id)
        .limit(1);
    let newest: Option<(String, Option<DateTime<Utc>>, DateTime<Utc>)> =
        newest.into_tuple().one(context.db).await?;
    Ok((newest.map(|(id, _, _)| id), at))
}

/// Messages of a chat that lists show: bare ids, when they were sent and written. `chats`: the rows that they are in.
fn shown(chat: &waha_chats::Model, chats: &[i64]) -> sea_orm::Select<message::Entity> {
    message::Entity::find()
        .select_only()
        .columns([message::Column::MessageId, message::Column::SentAt])
        .column(message::Column::CreatedAt)
        .filter(message::Column::SessionId.eq(chat.session_id))
        .filter(message::Column::ChatId.is_in(chats.iter().copied()))
        .filter(message::Column::IsStub.eq(false))
}

/// The newest; any, if that is the time of the chat's last message: no other is believed to be newer.
fn newest_until(
    context: &WriteContext<'_>,
    chat: &waha_chats::Model,
    chats: &[i64],
    at: DateTime<Utc>,
) -> sea_orm::Select<message::Entity> {
    let is_all = chat.last_message_at.is_some_and(|last| at >= last);
    let until = Expr::val(context.dialect.bind(at.into()));
    let until = Expr::col(message::Column::SentAt).lte(until);
    let has_time = message::Column::SentAt.is_not_null();
    shown(chat, chats)
        .filter(if is_all { has_time } else { until })
        .order_by_desc(message::Column::SentAt)
        .limit(1)
}

async fn write(
    context: &WriteContext<'_>,
    chat_id: i64,
    told: &UserRead,
    (message_id, at): Mark,
) -> Result<ReadRow, StoreError> {
    let row = read::row_of_user(chat_id, &told.user_id, message_id, at, context.now);
    let upsert = read::upsert_of_user(context.dialect, told.goes_back);
    context.write(&read::FOLLOWED, &upsert, vec![row]).await?;
    let written = chat_reads::Entity::find()
        .filter(chat_reads::Column::ChatId.eq(chat_id))
        .filter(chat_reads::Column::Reader.eq(format!("{USER_READER}{}", told.user_id)))
        .one(context.db)
        .await?;
    written.ok_or(StoreError::Vanished("chat_reads"))
}
