//! Makes `audit_logs`.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, string};
use crate::tables;

const AUDIT_LOGS: &str = "audit_logs";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, AUDIT_LOGS);
        table
            .col(columns.time("done_at").not_null())
            .col(string("actor", 255).not_null())
            .col(string("channel", 16).not_null())
            .col(string("place", 255).not_null())
            .col(string("action", 32).not_null())
            .col(columns.text("filter"))
            .col(big_integer("affected").not_null())
            .col(columns.text("old_values"))
            .col(columns.text("new_values"))
            .col(columns.text("note"));
        // How many webhooks were imported: a term of the equation.
        tables::create(manager, table, vec![tables::index(AUDIT_LOGS, ["action"])]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, AUDIT_LOGS).await
    }
}
