//! Makes `waha_participants` and `waha_join_requests`, and gives groups a description.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, boolean, string, version};
use crate::tables;

const CHATS: &str = "waha_chats";
const PARTICIPANTS: &str = "waha_participants";
const REQUESTS: &str = "waha_join_requests";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_participants(manager).await?;
        create_requests(manager).await?;
        let columns = Columns::of(manager);
        tables::add(manager, CHATS, columns.text("description")).await?;
        tables::add(manager, CHATS, version("description_version")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove(manager, CHATS, "description_version").await?;
        tables::remove(manager, CHATS, "description").await?;
        tables::drop(manager, REQUESTS).await?;
        tables::drop(manager, PARTICIPANTS).await
    }
}

async fn create_participants(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = tables::table(Columns::of(manager), PARTICIPANTS);
    table
        .col(big_integer("chat_id").not_null())
        .col(string("jid", 255).not_null())
        .col(string("role", 16).not_null())
        .col(boolean("is_member").not_null())
        .col(version("version"))
        .foreign_key(&mut tables::cascade(PARTICIPANTS, "chat_id", CHATS));
    let indexes = vec![
        tables::unique(PARTICIPANTS, ["chat_id", "jid"]),
        // The groups of a person.
        tables::index(PARTICIPANTS, ["jid"]),
    ];
    tables::create(manager, table, indexes).await
}

async fn create_requests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = tables::table(Columns::of(manager), REQUESTS);
    table
        .col(big_integer("chat_id").not_null())
        .col(string("jid", 255).not_null())
        .col(string("state", 16).not_null())
        .col(string("method", 32))
        .col(version("version"))
        .foreign_key(&mut tables::cascade(REQUESTS, "chat_id", CHATS));
    let indexes = vec![
        tables::unique(REQUESTS, ["chat_id", "jid"]),
        // What a person asked for: read when two ids turn out to be one person.
        tables::index(REQUESTS, ["jid"]),
    ];
    tables::create(manager, table, indexes).await
}
