//! Makes `webhook_registrations`: how our webhook stands in the configuration of each session of WAHA.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const REGISTRATIONS: &str = "webhook_registrations";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, REGISTRATIONS);
        table
            // By name: a session without our webhook never told anything, so it has no row of its own.
            .col(string("source", 64).not_null())
            .col(string("session", 128).not_null())
            .col(string("state", 16).not_null())
            .col(string("differences", 64))
            .col(string("problem", 32))
            .col(columns.time("since_at").not_null())
            .col(columns.time("checked_at").not_null())
            .col(columns.time("applied_at"));
        let key = tables::unique(REGISTRATIONS, ["source", "session"]);
        tables::create(manager, table, vec![key]).await?;
        spaces::tell_apart(manager, REGISTRATIONS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, REGISTRATIONS).await
    }
}
