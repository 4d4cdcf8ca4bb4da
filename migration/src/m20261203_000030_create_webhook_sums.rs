//! Makes `webhook_sums`: how many rows the ledger has let go of, so that the equation of `status` stays exact.
//!
//! A release before this one counts only the rows that are there, so nothing may be let go of while it still
//! answers `status`; it never does so by itself.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const SUMS: &str = "webhook_sums";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = tables::table(Columns::of(manager), SUMS);
        table
            .col(integer("month").not_null())
            .col(string("outcome", 16).not_null())
            .col(big_integer("webhooks").not_null());
        // A few rows for each month: `status` reads all of them.
        let key = tables::unique(SUMS, ["month", "outcome"]);
        tables::create(manager, table, vec![key]).await?;
        spaces::tell_apart(manager, SUMS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, SUMS).await
    }
}
