//! Makes `retention_cursors`: up to where of a table what is old was let go of, so that the next pass need not
//! read the table from its beginning.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const CURSORS: &str = "retention_cursors";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, CURSORS);
        table
            .col(string("name", 32).not_null())
            .col(big_integer("cursor_id").not_null())
            .col(columns.time("walked_at"));
        tables::create(manager, table, vec![tables::unique(CURSORS, ["name"])]).await?;
        spaces::tell_apart(manager, CURSORS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, CURSORS).await
    }
}
