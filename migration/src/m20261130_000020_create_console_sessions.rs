//! Makes `console_sessions`: who is logged in to the console, in whichever process.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const SESSIONS: &str = "console_sessions";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, SESSIONS);
        table
            .col(string("id_hash", 64).not_null())
            .col(string("token_name", 255).not_null())
            .col(string("binding", 64).not_null())
            .col(columns.time("expires_at").not_null());
        // Few rows: each is found by its hash, and those that have ended go with the next log-in.
        tables::create(manager, table, vec![tables::unique(SESSIONS, ["id_hash"])]).await?;
        spaces::tell_apart(manager, SESSIONS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, SESSIONS).await
    }
}
