//! Groups dead letters without reading their bodies: the index holds all that `dead-letters groups`
//! asks for, so that a million of them are grouped as quickly as their keys are read.

use sea_orm_migration::prelude::*;

use crate::tables;

const DEAD_LETTERS: &str = "dead_letters";
const NAME: &str = "idx_dead_letters_groups";
/// What the new index begins with, and therefore replaces.
const OLD: [&str; 2] = ["state", "fingerprint"];
const OLD_NAME: &str = "idx_dead_letters_state_fingerprint";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::add_index(manager, DEAD_LETTERS, NAME, index()).await?;
        tables::remove_index(manager, DEAD_LETTERS, OLD_NAME).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let old = tables::index(DEAD_LETTERS, OLD);
        tables::add_index(manager, DEAD_LETTERS, OLD_NAME, old).await?;
        tables::remove_index(manager, DEAD_LETTERS, NAME).await
    }
}

/// Who is pending, by cause: how many, since when, from which sessions.
fn index() -> IndexCreateStatement {
    let columns = [
        "state",
        "fingerprint",
        "reason",
        "event_type",
        "source",
        "session",
        "first_failed_at",
        "last_failed_at",
        "id",
    ];
    tables::index(DEAD_LETTERS, columns).name(NAME).take()
}
