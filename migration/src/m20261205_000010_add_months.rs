//! Adds `month` to the ledger, its repetitions and its bodies: the month of a webhook's own signed time, as a number
//! such as 202611; 0 where the body tells none, and in rows of a release before this one. By it the tables can be
//! kept in parts (`migrate partition`).
//!
//! A column with a fixed default: no database writes a row for it.

use sea_orm_migration::prelude::*;

use crate::columns::integer;
use crate::tables;

/// Those that one webhook's rows are in.
const TABLES: [&str; 3] = ["webhook_events", "webhook_duplicates", "webhook_bodies"];
const MONTH: &str = "month";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            tables::add(manager, table, integer(MONTH).not_null().default(0).take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            tables::remove(manager, table, MONTH).await?;
        }
        Ok(())
    }
}
