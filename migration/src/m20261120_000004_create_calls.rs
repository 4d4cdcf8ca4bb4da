//! Makes `waha_calls`.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, boolean, small_integer, string, version};
use crate::tables;

const CALLS: &str = "waha_calls";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, CALLS);
        parties(&mut table);
        state(columns, &mut table);
        tables::create(manager, table, indexes()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, CALLS).await
    }
}

fn parties(table: &mut TableCreateStatement) {
    table
        .col(big_integer("session_id").not_null())
        .col(string("call_id", 255).not_null())
        .col(big_integer("chat_id"))
        .col(string("from_jid", 255))
        .col(string("to_jid", 255))
        .col(string("group_jid", 255))
        .foreign_key(&mut tables::cascade(CALLS, "session_id", "waha_sessions"))
        .foreign_key(&mut tables::set_null(CALLS, "chat_id", "waha_chats"));
}

fn state(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("type", 16))
        .col(small_integer("state_rank").not_null().default(-1_i16))
        .col(boolean("is_video"))
        .col(version("is_video_version"))
        .col(boolean("is_group"))
        .col(version("details_version"))
        .col(columns.time("received_at"))
        .col(columns.time("accepted_at"))
        .col(columns.time("rejected_at"))
        .col(string("rejected_reason", 64));
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        tables::unique(CALLS, ["session_id", "call_id"]),
        // Missed calls of a session.
        tables::index(CALLS, ["session_id", "type"]),
        // The calls of a conversation; MySQL makes this one for the foreign key anyway.
        tables::index(CALLS, ["chat_id"]),
    ]
}
