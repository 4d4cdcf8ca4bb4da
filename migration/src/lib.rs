//! The schema of waha-ingest, step by step, the same on PostgreSQL 13+, MySQL 8+, MariaDB 10.6+
//! and SQLite. Called by `migrate` and by everything that may migrate at start.
//!
//! What must stay true:
//! - A released migration is never edited; a change is a new file.
//! - Every step works while the previous release is still running, and has a `down`.
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
mod tables;
mod turn;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseConnection;
use sea_orm_migration::{MigrationStatus, MigrationTrait};

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
        ]
    }

    /// Not SeaORM's default name: an application that uses SeaORM in the same database keeps its
    /// own steps there, and each would take the other's for missing files.
    fn migration_table_name() -> DynIden {
        "waha_ingest_migrations".into_iden()
    }
}

/// Applies the steps that are missing. Safe to call from several processes at once: one works, the
/// others wait (five minutes at most, then an error) and find nothing left to do.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let turn = Turn::wait(db).await?;
    let result = Migrator::up(turn.connection(), None).await;
    turn.end(result).await
}

/// Takes back the last `steps` steps, or all of them, **with the rows of their tables**. Waits its
/// turn as [`up`] does.
pub async fn down(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), DbErr> {
    let turn = Turn::wait(db).await?;
    let result = Migrator::down(turn.connection(), steps).await;
    turn.end(result).await
}

/// Every step by name, oldest first, and whether it is applied. Only reads: works without the
/// right to create tables and on an empty database. An error if the database knows steps that
/// this release does not, so was migrated by a newer one.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<(String, bool)>, DbErr> {
    let steps = Migrator::get_migration_with_status_read_only(db).await?;
    let name_and_applied = |step: &sea_orm_migration::Migration| {
        (step.name().to_owned(), step.status() == MigrationStatus::Applied)
    };
    Ok(steps.iter().map(name_and_applied).collect())
}
