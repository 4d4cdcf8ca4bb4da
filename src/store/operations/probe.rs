//! Whether the tables could be written now: asked when no webhook was applied for a while.
//!
//! Called by `monitor`, by workers that wait for the end of an outage, and by `check`. Leaves nothing behind: the
//! statements on webhooks' tables are of no rows, and their transaction is rolled back. A database that
//! is read-only, that lacks a right or a table, or that hangs says so all the same. Whether the disk
//! takes anything shows only at a commit, so the time in one row of `waha_processes` is written.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use entity::waha_processes::{ActiveModel, Column, Entity};

use super::processes::{ProcessBeat, ProcessIdentity, first_row};
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// Tables that neither applying nor burying writes as a rule, so that their state stops no worker.
const OTHERS: [&str; 9] = [
    "audit_logs",
    "dead_letter_edits",
    "dead_letter_parts",
    "replay_jobs",
    "retention_cursors",
    "waha_message_words",
    "waha_processes",
    "waha_search",
    "webhook_dictionaries",
];

/// Tables whose rows have no time of their last change.
const TIMELESS: [&str; 3] = ["waha_changes", "waha_feed", "webhook_bodies"];
const OF_TIMELESS: &str = "INSERT INTO waha_changes SELECT * FROM waha_changes WHERE 1 = 0; \
                           UPDATE waha_feed SET position = position WHERE 1 = 0; \
                           INSERT INTO webhook_bodies SELECT * FROM webhook_bodies WHERE 1 = 0";

impl Store {
    /// Tries to insert into and to update every table that webhooks end in, and whether a commit gets through.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        self.try_writing().await?;
        self.commit_something().await
    }

    /// The same without a commit, so that nothing is changed: for `check`.
    pub async fn check_rights(&self) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        self.try_writing().await?;
        let db = self.begin().await?;
        // A row, which is there within this transaction alone.
        let row = first_row(&ProcessIdentity::nobody(), &ProcessBeat::default(), self.clock.now());
        Entity::insert(row).exec(&db).await?;
        let written = Entity::find().filter(Column::Instance.eq("")).one(&db).await?;
        db.rollback().await?;
        written.map(drop).ok_or(StoreError::Vanished("waha_processes"))
    }

    async fn try_writing(&self) -> Result<(), StoreError> {
        let db = self.begin().await?;
        db.execute_unprepared(&statements()).await?;
        db.rollback().await
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

/// In one round trip. Databases look at rights before they look for rows. As text: `INSERT … SELECT *` of
/// whichever columns there are is what a builder of statements can't say.
fn statements() -> String {
    let of_table = |table| {
        format!(
            "INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0; \
             UPDATE {table} SET updated_at = updated_at WHERE 1 = 0"
        )
    };
    let is_alike = |table: &&str| !OTHERS.contains(table) && !TIMELESS.contains(table);
    let written = migration::tables().filter(is_alike).map(of_table);
    written.chain([OF_TIMELESS.to_owned()]).collect::<Vec<_>>().join("; ")
}
