//! Makes `waha_processes`: what each worker has in hand, told every few seconds.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, string};
use crate::tables;

const PROCESSES: &str = "waha_processes";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, PROCESSES);
        table
            .col(string("instance", 32).not_null())
            .col(string("host", 255).not_null())
            .col(big_integer("pid").not_null())
            .col(string("version", 32).not_null())
            .col(string("role", 16).not_null())
            .col(columns.time("started_at").not_null())
            .col(columns.time("seen_at").not_null())
            .col(big_integer("beats").not_null())
            .col(big_integer("consumers"))
            .col(big_integer("in_hand_sessions"))
            .col(big_integer("in_hand_messages"))
            .col(big_integer("in_hand_calls"))
            .col(big_integer("in_hand_chats"))
            .col(big_integer("in_hand_given_up"));
        // Few rows: a process finds its own by its name, whoever asks reads all.
        tables::create(manager, table, vec![tables::unique(PROCESSES, ["instance"])]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, PROCESSES).await
    }
}
