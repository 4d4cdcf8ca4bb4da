//! Makes `waha_sessions` and `user_waha`, which says who may see a session.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, string, version};
use crate::tables;

const SESSIONS: &str = "waha_sessions";
const USERS: &str = "user_waha";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_sessions(manager).await?;
        create_users(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, USERS).await?;
        tables::drop(manager, SESSIONS).await
    }
}

async fn create_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, SESSIONS);
    table
        .col(string("source", 64).not_null())
        .col(string("name", 128).not_null())
        .col(string("status", 32))
        .col(columns.time("status_at"))
        .col(version("status_version"))
        .col(string("engine", 16))
        .col(string("waha_version", 32))
        .col(string("me_id", 255))
        .col(string("me_lid", 255))
        .col(string("me_jid", 255))
        .col(columns.text("push_name"))
        .col(columns.text("metadata"))
        .col(string("user_id", 255))
        .col(version("identity_version"))
        .col(columns.text("config"));
    tables::create(manager, table, vec![tables::unique(SESSIONS, ["source", "name"])]).await
}

async fn create_users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = tables::table(Columns::of(manager), USERS);
    table
        .col(string("user_id", 255).not_null())
        .col(big_integer("session_id").not_null())
        .col(string("origin", 16).not_null().default("application"))
        .foreign_key(&mut tables::cascade(USERS, "session_id", SESSIONS));
    let indexes = vec![
        // Also: which sessions may this user see.
        tables::unique(USERS, ["user_id", "session_id"]),
        // Who may see this session; the worker keeps the row that the metadata names.
        tables::index(USERS, ["session_id"]),
    ];
    tables::create(manager, table, indexes).await
}
