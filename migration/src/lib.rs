//! The schema of waha-ingest, step by step, the same on PostgreSQL 13+, MySQL 8+, MariaDB 10.6+
//! and SQLite. Called by `migrate` and by everything that may migrate at start.
//!
//! What must stay true:
//! - A released migration is never edited; a change is a new file.
//! - Every step works while the previous release is still running, and has a `down`: `up` only adds.
//!   What it adds, the previous release can leave out; what it no longer needs goes one release later.
//! - A step that cannot run in a transaction (such as an index that PostgreSQL builds
//!   concurrently) needs another way than [`up`], which is one transaction there.

mod columns;
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
mod schema;
mod tables;
mod turn;

use sea_orm_migration::MigrationTrait;
pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseConnection, DatabaseTransaction};

pub use crate::schema::{Schema, status};
use crate::turn::Turn;

/// Every step, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_create_sessions::Migration),
            Box::new(m20261120_000002_create_chats::Migration),
            Box::new(m20261120_000003_create_messages::Migration),
            Box::new(m20261120_000004_create_calls::Migration),
            Box::new(m20261120_000005_create_ledger::Migration),
            Box::new(m20261120_000006_create_dead_letters::Migration),
            Box::new(m20261121_000001_create_answers::Migration),
            Box::new(m20261121_000002_create_amendments::Migration),
            Box::new(m20261122_000005_create_contacts::Migration),
            Box::new(m20261122_000006_create_participants::Migration),
            Box::new(m20261122_000007_create_labels::Migration),
            Box::new(m20261122_000008_create_session_statuses::Migration),
            Box::new(m20261122_000009_index_authors::Migration),
            Box::new(m20261123_000001_index_dead_letter_groups::Migration),
            Box::new(m20261123_000002_create_replays::Migration),
            Box::new(m20261123_000003_create_audit_logs::Migration),
            Box::new(m20261123_000004_index_ledger_by_session::Migration),
        ]
    }

    /// Not SeaORM's default name: an application that uses SeaORM in the same database keeps its
    /// own steps there, and each would take the other's for missing files.
    fn migration_table_name() -> DynIden {
        "waha_ingest_migrations".into_iden()
    }
}

/// Applies the steps that are missing. Safe to call from several processes at once: one works, the
/// others wait (five minutes at most, then an error) and find nothing left to do. So does an older
/// release on a schema that a newer one has migrated.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let turn = Turn::wait(db).await?;
    let result = up_if_missing(turn.connection()).await;
    turn.end(result).await
}

async fn up_if_missing(db: &DatabaseTransaction) -> Result<(), DbErr> {
    match status(db).await?.missing() {
        0 => Ok(()),
        _ => Migrator::up(db, None).await,
    }
}

/// Takes back the last `steps` steps, or all of them, **with the rows of their tables**. Waits its
/// turn as [`up`] does.
pub async fn down(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), DbErr> {
    let turn = Turn::wait(db).await?;
    let result = Migrator::down(turn.connection(), steps).await;
    turn.end(result).await
}
