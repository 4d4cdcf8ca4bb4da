//! Makes `waha_session_statuses`, and gives sessions the limits that WhatsApp sets them.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, string, version};
use crate::tables;

const SESSIONS: &str = "waha_sessions";
const STATUSES: &str = "waha_session_statuses";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_statuses(manager).await?;
        let columns = Columns::of(manager);
        tables::add(manager, SESSIONS, columns.text("reachout_timelock")).await?;
        tables::add(manager, SESSIONS, version("reachout_timelock_version")).await?;
        tables::add(manager, SESSIONS, columns.text("message_capping")).await?;
        tables::add(manager, SESSIONS, version("message_capping_version")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove(manager, SESSIONS, "message_capping_version").await?;
        tables::remove(manager, SESSIONS, "message_capping").await?;
        tables::remove(manager, SESSIONS, "reachout_timelock_version").await?;
        tables::remove(manager, SESSIONS, "reachout_timelock").await?;
        tables::drop(manager, STATUSES).await
    }
}

async fn create_statuses(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, STATUSES);
    table
        .col(big_integer("session_id").not_null())
        .col(string("status", 32).not_null())
        .col(columns.time("at").not_null())
        .foreign_key(&mut tables::cascade(STATUSES, "session_id", SESSIONS));
    // Also the history of a session in order.
    let key = tables::unique(STATUSES, ["session_id", "at", "status"]);
    tables::create(manager, table, vec![key]).await
}
