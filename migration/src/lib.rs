//! The schema of waha-ingest, step by step, the same on PostgreSQL 13+, MySQL 8+, MariaDB 10.6+
//! and SQLite. Called by `migrate` and by everything that may migrate at start.
//!
//! Invariant:
//! - A released migration is never edited; a change is a new file.
//! - Every step works while the previous release is still running, and has a `down`: `up` only adds.
//!   What it adds, the previous release can leave out; what it no longer needs goes one release later.
//! - A step that cannot run in a transaction (such as an index that PostgreSQL builds
//!   concurrently) needs another way than [`up`], which is one transaction there.
//! - A run that was cut off anywhere can be finished, also on MySQL and MariaDB, which commit after
//!   every statement: each statement of a step asks first whether it was done, as `tables` does.
//! - Tables that are not ours are left alone: `ownership` says which are. So a step names the tables
//!   it makes in [`steps`], and makes and drops them by `tables` only.

mod catalog;
mod columns;
mod divided;
mod error;
mod indexes;
mod m20261120_000001_create_sessions;
mod m20261120_000002_create_chats;
mod m20261120_000003_create_messages;
mod m20261120_000004_create_calls;
mod m20261120_000005_create_ledger;
mod m20261120_000006_create_dead_letters;
mod m20261121_000001_create_answers;
mod m20261121_000002_create_amendments;
mod m20261122_000005_create_contacts;
mod m20261122_000006_create_participants;
mod m20261122_000007_create_labels;
mod m20261122_000008_create_session_statuses;
mod m20261122_000009_index_authors;
mod m20261123_000001_index_dead_letter_groups;
mod m20261123_000002_create_replays;
mod m20261123_000003_create_audit_logs;
mod m20261123_000004_index_ledger_by_session;
mod m20261126_000001_create_dead_letter_parts;
mod m20261126_000002_compare_trailing_spaces;
mod m20261126_000003_create_processes;
mod m20261127_000001_create_own_messages;
mod m20261127_000002_index_calls_by_time;
mod m20261127_000010_add_meanings;
mod m20261128_000001_create_changes;
mod m20261128_000002_create_feed_consumers;
mod m20261129_000001_add_last_messages;
mod m20261129_000010_create_search;
mod m20261129_000020_set_join_methods_apart;
mod m20261130_000020_create_console_sessions;
mod m20261201_000010_update_rows_in_place;
mod m20261201_000020_create_retention_cursors;
mod m20261202_000010_create_bodies;
mod m20261202_000020_create_attachments;
mod m20261203_000010_create_reconciliations;
mod m20261203_000020_remove_files;
mod m20261203_000030_create_webhook_sums;
mod m20261204_000030_create_registrations;
mod m20261204_000040_create_session_watches;
mod m20261204_000050_create_chat_moves;
mod m20261205_000010_add_months;
mod m20261205_000060_count_messages;
mod ownership;
mod plan;
mod schema;
mod tables;
mod turn;

use sea_orm_migration::MigrationTrait;
pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
};

pub use crate::error::MigrateError;
pub use crate::indexes::{MadeIndex, made_indexes};
pub use crate::ownership::{foreign, tables};
pub use crate::plan::{DownPlan, plan_down};
pub use crate::schema::{Schema, status};
use crate::turn::Turn;

/// Which steps are applied. Not SeaORM's default name: an application that uses SeaORM in the same
/// database keeps its own steps there, and each would take the other's for missing files.
const HISTORY: &str = "waha_ingest_migrations";

/// A step, and the tables that it makes, parents first.
pub(crate) struct Step {
    pub(crate) migration: Box<dyn MigrationTrait>,
    pub(crate) tables: &'static [&'static str],
}

impl Step {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.migration.name() == name
    }
}

fn step(migration: impl MigrationTrait + 'static, tables: &'static [&'static str]) -> Step {
    Step { migration: Box::new(migration), tables }
}

/// Every step, oldest first.
pub(crate) fn steps() -> Vec<Step> {
    vec![
        step(m20261120_000001_create_sessions::Migration, &["waha_sessions", "user_waha"]),
        step(m20261120_000002_create_chats::Migration, &["waha_chats", "chat_reads"]),
        step(m20261120_000003_create_messages::Migration, &["waha_messages"]),
        step(m20261120_000004_create_calls::Migration, &["waha_calls"]),
        step(m20261120_000005_create_ledger::Migration, &["webhook_events", "webhook_duplicates"]),
        step(m20261120_000006_create_dead_letters::Migration, &["dead_letters"]),
        step(
            m20261121_000001_create_answers::Migration,
            &["waha_reactions", "waha_poll_votes", "waha_event_responses", "waha_message_acks"],
        ),
        step(
            m20261121_000002_create_amendments::Migration,
            &["waha_message_edits", "waha_message_revocations", "waha_message_claims"],
        ),
        step(m20261122_000005_create_contacts::Migration, &["waha_contacts"]),
        step(
            m20261122_000006_create_participants::Migration,
            &["waha_participants", "waha_join_requests"],
        ),
        step(m20261122_000007_create_labels::Migration, &["waha_labels", "waha_chat_labels"]),
        step(m20261122_000008_create_session_statuses::Migration, &["waha_session_statuses"]),
        step(m20261122_000009_index_authors::Migration, &[]),
        step(m20261123_000001_index_dead_letter_groups::Migration, &[]),
        step(
            m20261123_000002_create_replays::Migration,
            &["replay_jobs", "dead_letter_replays", "dead_letter_edits"],
        ),
        step(m20261123_000003_create_audit_logs::Migration, &["audit_logs"]),
        step(m20261123_000004_index_ledger_by_session::Migration, &[]),
        step(m20261126_000001_create_dead_letter_parts::Migration, &["dead_letter_parts"]),
        step(m20261126_000002_compare_trailing_spaces::Migration, &[]),
        step(m20261126_000003_create_processes::Migration, &["waha_processes"]),
        step(m20261127_000001_create_own_messages::Migration, &["waha_own_messages"]),
        step(m20261127_000002_index_calls_by_time::Migration, &[]),
        step(m20261127_000010_add_meanings::Migration, &["waha_message_referrals"]),
        step(m20261128_000001_create_changes::Migration, &["waha_changes", "waha_feed"]),
        step(m20261128_000002_create_feed_consumers::Migration, &["feed_consumers"]),
        step(m20261129_000001_add_last_messages::Migration, &[]),
        step(m20261129_000010_create_search::Migration, &["waha_message_words", "waha_search"]),
        step(m20261129_000020_set_join_methods_apart::Migration, &[]),
        step(m20261130_000020_create_console_sessions::Migration, &["console_sessions"]),
        step(m20261201_000010_update_rows_in_place::Migration, &[]),
        step(m20261201_000020_create_retention_cursors::Migration, &["retention_cursors"]),
        step(
            m20261202_000010_create_bodies::Migration,
            &["webhook_bodies", "webhook_dictionaries"],
        ),
        step(m20261202_000020_create_attachments::Migration, &["waha_attachments"]),
        step(
            m20261203_000010_create_reconciliations::Migration,
            &["reconciliations", "reconciliation_hours"],
        ),
        step(m20261203_000020_remove_files::Migration, &[]),
        step(m20261203_000030_create_webhook_sums::Migration, &["webhook_sums"]),
        step(m20261204_000030_create_registrations::Migration, &["webhook_registrations"]),
        step(
            m20261204_000040_create_session_watches::Migration,
            &["waha_session_watches", "waha_session_probes"],
        ),
        step(m20261204_000050_create_chat_moves::Migration, &["waha_chat_moves"]),
        step(m20261205_000010_add_months::Migration, &[]),
        step(m20261205_000060_count_messages::Migration, &[]),
    ]
}

/// Every step, for SeaORM.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        steps().into_iter().map(|step| step.migration).collect()
    }

    fn migration_table_name() -> DynIden {
        HISTORY.into_iden()
    }
}

/// Applies the steps that are missing. Safe to call from several processes at once: one works, the
/// others wait (five minutes at most, then an error) and find nothing left to do. So does an older
/// release on a schema that a newer one has migrated. Refuses before the first step if somebody
/// else's tables have names of ours.
pub async fn up(db: &DatabaseConnection) -> Result<(), MigrateError> {
    // SQLite is migrated at every start. Mostly there is nothing to do, and no mark to be made: then nobody
    // is waited for, and a full disk is no hindrance.
    let is_sqlite = db.get_database_backend() == DbBackend::Sqlite;
    if is_sqlite && status(db).await?.missing() == 0 {
        return Ok(());
    }
    let turn = Turn::wait(db).await?;
    let result = up_if_missing(turn.connection()).await;
    turn.end(result).await
}

async fn up_if_missing(db: &DatabaseTransaction) -> Result<(), MigrateError> {
    let schema = status(db).await?;
    let lacks_marks = schema.newer.is_empty() && catalog::has_marks(db.get_database_backend());
    if schema.missing() == 0 && !lacks_marks {
        return Ok(());
    }
    catalog::require_place(db).await?;
    ownership::require(db, &schema).await?;
    if schema.missing() > 0 {
        Migrator::up(db, None).await?;
    }
    ownership::mark(db).await
}

/// Takes back the last `steps` steps, or all of them, **with the rows of their tables**. Waits its
/// turn as [`up`] does, and refuses as it does; [`plan_down`] says what would go.
pub async fn down(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), MigrateError> {
    let turn = Turn::wait(db).await?;
    let result = down_if_ours(turn.connection(), steps).await;
    turn.end(result).await
}

async fn down_if_ours(db: &DatabaseTransaction, steps: Option<u32>) -> Result<(), MigrateError> {
    let schema = status(db).await?;
    schema.require_known()?;
    ownership::require(db, &schema).await?;
    divided::require_whole(db, &schema, steps).await?;
    ownership::mark(db).await?;
    if db.get_database_backend() == DbBackend::MySql {
        take_back_unfinished(db, &schema).await?;
    }
    Ok(Migrator::down(db, steps).await?)
}

/// A run up that was cut off may have left a part of the next step, whose tables point to those of the
/// steps before.
async fn take_back_unfinished(db: &DatabaseTransaction, schema: &Schema) -> Result<(), DbErr> {
    let next = schema.steps.iter().position(|(_, is_applied)| !is_applied);
    match next.and_then(|next| steps().into_iter().nth(next)) {
        Some(step) => step.migration.down(&SchemaManager::new(db)).await,
        None => Ok(()),
    }
}
