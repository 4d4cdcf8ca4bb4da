//! Finds the calls of a session by time: missed ones are no type of their own, because some engines
//! never tell how a call ended.

use sea_orm_migration::prelude::*;

use crate::tables;

const CALLS: &str = "waha_calls";
const NAME: &str = "idx_waha_calls_session_id_created_at";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Missed calls of a session since a day. The one by type goes one release later.
        let index = tables::index(CALLS, ["session_id", "created_at"]);
        tables::add_index(manager, CALLS, NAME, index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove_index(manager, CALLS, NAME).await
    }
}
