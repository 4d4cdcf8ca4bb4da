//! Makes `dead_letter_parts`: MySQL and MariaDB take no statement above `max_allowed_packet`, and a dead
//! letter must be storable whatever its length. The previous release sees the beginning of such a body.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, integer};
use crate::tables;

const PARTS: &str = "dead_letter_parts";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, PARTS);
        table
            .col(big_integer("dead_letter_id").not_null())
            .col(big_integer("edit_id").not_null())
            .col(integer("place").not_null())
            .col(columns.bytes("body").not_null())
            .foreign_key(&mut tables::cascade(PARTS, "dead_letter_id", "dead_letters"));
        // All of a body, in their order.
        let indexes = vec![tables::unique(PARTS, ["dead_letter_id", "edit_id", "place"])];
        tables::create(manager, table, indexes).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, PARTS).await
    }
}
