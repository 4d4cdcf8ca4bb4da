//! Makes `waha_chats` and `chat_reads`.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::columns::{Columns, big_integer, boolean, string, version};
use crate::tables;

const CHATS: &str = "waha_chats";
const READS: &str = "chat_reads";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_chats(manager).await?;
        create_reads(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, READS).await?;
        tables::drop(manager, CHATS).await
    }
}

async fn create_chats(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, CHATS);
    table
        .col(big_integer("session_id").not_null())
        .col(string("chat_id", 255).not_null())
        .col(string("kind", 16).not_null())
        .col(columns.text("name"))
        .col(version("name_version"))
        .col(boolean("archived"))
        .col(version("archived_version"))
        .col(columns.time("last_message_at"))
        .col(big_integer("merged_into"))
        .foreign_key(&mut tables::cascade(CHATS, "session_id", "waha_sessions"))
        .foreign_key(&mut tables::set_null(CHATS, "merged_into", CHATS));
    let indexes = vec![
        tables::unique(CHATS, ["session_id", "chat_id"]),
        // What changed in this session since: applications that follow chats.
        tables::index(CHATS, ["session_id", "updated_at"]),
        merged_into(manager),
    ];
    tables::create(manager, table, indexes).await
}

/// Serves: which chats are this person's other names. Few chats are merged, so the index holds
/// only those where the database can do that.
fn merged_into(manager: &SchemaManager<'_>) -> IndexCreateStatement {
    let mut index = tables::index(CHATS, ["merged_into"]);
    if manager.get_database_backend() != DbBackend::MySql {
        index.and_where(Expr::col("merged_into").is_not_null());
    }
    index
}

async fn create_reads(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, READS);
    table
        .col(big_integer("chat_id").not_null())
        .col(string("reader", 255).not_null())
        .col(string("user_id", 255))
        .col(string("last_read_message_id", 255))
        .col(columns.time("last_read_at"))
        .col(version("read_version"))
        .foreign_key(&mut tables::cascade(READS, "chat_id", CHATS));
    tables::create(manager, table, vec![tables::unique(READS, ["chat_id", "reader"])]).await
}
