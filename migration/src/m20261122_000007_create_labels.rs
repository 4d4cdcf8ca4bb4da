//! Makes `waha_labels` and `waha_chat_labels`.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, boolean, integer, string, version};
use crate::tables;

const LABELS: &str = "waha_labels";
const CHAT_LABELS: &str = "waha_chat_labels";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_labels(manager).await?;
        create_chat_labels(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, CHAT_LABELS).await?;
        tables::drop(manager, LABELS).await
    }
}

async fn create_labels(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, LABELS);
    table
        .col(big_integer("session_id").not_null())
        .col(string("label_id", 255).not_null())
        .col(columns.text("name"))
        .col(integer("color"))
        .col(string("color_hex", 32))
        .col(version("look_version"))
        .col(boolean("deleted"))
        .col(version("deleted_version"))
        .foreign_key(&mut tables::cascade(LABELS, "session_id", "waha_sessions"));
    tables::create(manager, table, vec![tables::unique(LABELS, ["session_id", "label_id"])]).await
}

async fn create_chat_labels(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = tables::table(Columns::of(manager), CHAT_LABELS);
    table
        .col(big_integer("chat_id").not_null())
        .col(string("label_id", 255).not_null())
        .col(boolean("is_set").not_null())
        .col(version("version"))
        .foreign_key(&mut tables::cascade(CHAT_LABELS, "chat_id", "waha_chats"));
    let indexes = vec![
        tables::unique(CHAT_LABELS, ["chat_id", "label_id"]),
        // The chats with a label.
        tables::index(CHAT_LABELS, ["label_id"]),
    ];
    tables::create(manager, table, indexes).await
}
