//! Makes `feed_consumers`: how far each application got that the feed is delivered to.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const CONSUMERS: &str = "feed_consumers";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, CONSUMERS);
        table
            .col(string("name", 64).not_null())
            .col(string("kind", 16).not_null())
            .col(string("epoch", 32).not_null())
            .col(big_integer("position").not_null())
            .col(big_integer("generation").not_null())
            .col(string("state", 16).not_null())
            .col(columns.text("reason"))
            .col(columns.text("last_error"))
            .col(columns.time("failing_since"))
            .col(columns.time("next_try_at"))
            .col(columns.time("delivered_at"))
            .col(string("lease_owner", 32))
            .col(big_integer("lease_number").not_null());
        // Few rows: each is found by its name.
        tables::create(manager, table, vec![tables::unique(CONSUMERS, ["name"])]).await?;
        spaces::tell_apart(manager, CONSUMERS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, CONSUMERS).await
    }
}
