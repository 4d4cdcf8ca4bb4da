//! Finds when something came from a session: the end of its webhooks, and what is beside a time.
//! Silent sessions are found by that. Every webhook adds an entry, so it has no column that it does
//! not need.

use sea_orm_migration::prelude::*;

use crate::tables;

const WEBHOOKS: &str = "webhook_events";
const COLUMNS: [&str; 3] = ["source", "session", "received_at"];
const NAME: &str = "idx_webhook_events_source_session_received_at";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::add_index(manager, WEBHOOKS, NAME, tables::index(WEBHOOKS, COLUMNS)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove_index(manager, WEBHOOKS, NAME).await
    }
}
