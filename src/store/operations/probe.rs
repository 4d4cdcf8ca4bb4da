//! Whether the tables could be written now: asked when no webhook was applied for a while.
//!
//! Called by `monitor` and by workers that wait for the end of an outage. Leaves nothing behind: the
//! statements on webhooks' tables are of no rows, and their transaction is rolled back. A database that
//! is read-only, that lacks a right or a table, or that hangs says so all the same. Whether the disk
//! takes anything shows only at a commit, so the time in one row of `waha_processes` is written.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use entity::waha_processes::{ActiveModel, Column, Entity};

use crate::store::Store;
use crate::store::sql::error::StoreError;

/// What applying and burying write.
pub(in crate::store) const WRITTEN: [&str; 25] = [
    "waha_sessions",
    "waha_chats",
    "waha_messages",
    "waha_own_messages",
    "waha_message_edits",
    "waha_message_revocations",
    "waha_message_referrals",
    "waha_message_claims",
    "waha_message_acks",
    "waha_reactions",
    "waha_poll_votes",
    "waha_event_responses",
    "waha_calls",
    "chat_reads",
    "user_waha",
    "waha_session_statuses",
    "waha_contacts",
    "waha_participants",
    "waha_join_requests",
    "waha_labels",
    "waha_chat_labels",
    "webhook_events",
    "webhook_duplicates",
    "dead_letters",
    "dead_letter_replays",
];

impl Store {
    /// Tries to insert into and to update every table that webhooks end in.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        db.execute_unprepared(&statements()).await?;
        db.rollback().await?;
        self.commit_something().await
    }

    async fn commit_something(&self) -> Result<(), StoreError> {
        let Some(row) = Entity::find().order_by_asc(Column::Id).one(&self.pool().db).await? else {
            return Ok(());
        };
        let touched = ActiveModel { updated_at: Set(self.clock.now()), ..ActiveModel::default() };
        let db = self.begin().await?;
        Entity::update_many().set(touched).filter(Column::Id.eq(row.id)).exec(&db).await?;
        db.commit().await
    }
}

/// In one round trip. Databases look at rights before they look for rows.
fn statements() -> String {
    let of_table = |table: &str| {
        format!(
            "INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0; \
             UPDATE {table} SET updated_at = updated_at WHERE 1 = 0"
        )
    };
    let feed = "INSERT INTO waha_changes SELECT * FROM waha_changes WHERE 1 = 0; \
                UPDATE waha_feed SET position = position WHERE 1 = 0";
    format!("{}; {feed}", WRITTEN.map(of_table).join("; "))
}
