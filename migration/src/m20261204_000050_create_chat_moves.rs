//! Makes `waha_chat_moves`: chats that turned out to be another one and have so many messages that they move there
//! in steps. A table of its own, because it is empty nearly always, so that whoever writes messages can ask it.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const MOVES: &str = "waha_chat_moves";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, MOVES);
        table
            .col(big_integer("chat_id").not_null())
            .col(columns.time("leased_until"))
            .col(big_integer("lease_number").not_null())
            .foreign_key(&mut tables::cascade(MOVES, "chat_id", "waha_chats"));
        tables::create(manager, table, vec![tables::unique(MOVES, ["chat_id"])]).await?;
        spaces::tell_apart(manager, MOVES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, MOVES).await
    }
}
