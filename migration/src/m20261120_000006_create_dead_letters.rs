//! Makes `dead_letters`.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, integer, string};
use crate::tables;

const DEAD_LETTERS: &str = "dead_letters";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, DEAD_LETTERS);
        webhook(columns, &mut table);
        failure(columns, &mut table);
        resolution(columns, &mut table);
        tables::create(manager, table, indexes()).await?;
        tables::compress_fast(manager, DEAD_LETTERS, "body").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, DEAD_LETTERS).await
    }
}

fn webhook(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("source", 64).not_null())
        .col(string("session", 128).not_null())
        .col(string("event_type", 64).not_null())
        .col(string("webhook_id", 128).not_null())
        .col(big_integer("receipt").not_null())
        .col(columns.bytes("body").not_null())
        .col(columns.text("headers").not_null());
}

fn failure(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("reason", 64).not_null())
        .col(columns.text("error").not_null())
        .col(columns.text("failures").not_null())
        .col(string("fingerprint", 16).not_null())
        .col(integer("attempts").not_null())
        .col(columns.time("webhook_at").not_null())
        .col(columns.time("received_at").not_null())
        .col(columns.time("first_failed_at").not_null())
        .col(columns.time("last_failed_at").not_null());
}

fn resolution(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("state", 16).not_null())
        .col(integer("replays").not_null().default(0))
        .col(columns.time("resolved_at"))
        .col(string("resolved_by", 255))
        .col(columns.text("note"));
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        tables::unique(DEAD_LETTERS, ["source", "session", "event_type", "webhook_id"]),
        // What is pending, grouped by cause, and all of one cause to replay or discard.
        tables::index(DEAD_LETTERS, ["state", "fingerprint"]),
    ]
}
