//! `waha_own_messages`: merged in memory under the row's lock, so a row replaces the one before.

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, NotSet, QueryResult, Set};

use entity::waha_own_messages::{ActiveModel, Column as C, Entity};

use super::cut;
use crate::change::own::chat_rank;
use crate::change::{Merge, MessageKey, MessageStatus, OwnMessageChange, Witness};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) const TABLE: &str = "waha_own_messages";
/// The columns that [`OwnMessage::read`] reads.
pub(in crate::store) const COLUMNS: [&str; 6] =
    ["session_id", "message_id", "chat_jid", "witness_rank", "status_rank", "told_at"];

/// What is known of an own message, under all names of its chat.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct OwnMessage {
    /// The chat's id as told by the most certain witness.
    pub(in crate::store) chat_id: String,
    witness: Witness,
    pub(in crate::store) status: Option<MessageStatus>,
    pub(in crate::store) told_at: Option<DateTime<Utc>>,
}

impl OwnMessage {
    pub(in crate::store) fn of(key: &MessageKey, change: &OwnMessageChange) -> Self {
        let OwnMessageChange { witness, status, told_at } = *change;
        Self { chat_id: key.chat.chat_id.clone(), witness, status, told_at }
    }

    pub(in crate::store) fn read(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            chat_id: row.try_get("", "chat_jid")?,
            witness: Witness::of_rank(row.try_get("", "witness_rank")?),
            status: MessageStatus::of_rank(row.try_get("", "status_rank")?),
            told_at: row.try_get("", "told_at")?,
        })
    }

    pub(in crate::store) fn row(
        &self,
        session_id: i64,
        message_id: &str,
        now: DateTime<Utc>,
    ) -> ActiveModel {
        ActiveModel {
            id: NotSet,
            session_id: Set(session_id),
            message_id: Set(cut(message_id, 255)),
            chat_jid: Set(cut(&self.chat_id, 255)),
            witness_rank: Set(self.witness.rank()),
            status_rank: Set(self.status.map_or(-1, MessageStatus::rank)),
            told_at: Set(self.told_at),
            created_at: NotSet,
            updated_at: Set(now),
        }
    }
}

impl Merge for OwnMessage {
    fn merge_in(&mut self, other: Self) {
        let Self { chat_id, witness, status, told_at } = other;
        self.status = self.status.max(status);
        self.told_at = self.told_at.max(told_at);
        if chat_rank(witness, &chat_id) < chat_rank(self.witness, &self.chat_id) {
            self.witness = witness;
            self.chat_id = chat_id;
        }
    }
}

/// Makes rows that are not there.
pub(in crate::store) fn make(dialect: Dialect) -> Upsert<Entity> {
    Upsert::new(dialect, &[C::SessionId, C::MessageId])
}

/// Replaces rows that are there and locked.
pub(in crate::store) fn replace(dialect: Dialect) -> Upsert<Entity> {
    make(dialect).replace_all_but(&[])
}
