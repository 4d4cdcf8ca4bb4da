//! Keeps how WAHA's own counters of messages have grown beside each watched session, so that it can be told how many
//! of those messages arrived. A release before leaves it alone.

use sea_orm_migration::prelude::*;

use crate::columns::Columns;
use crate::tables;

const WATCHES: &str = "waha_session_watches";
const COLUMN: &str = "counters";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::add(manager, WATCHES, Columns::of(manager).text(COLUMN)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove(manager, WATCHES, COLUMN).await
    }
}
