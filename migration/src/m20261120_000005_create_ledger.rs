//! Makes the ledger: `webhook_events`, and `webhook_duplicates`, which counts what came again.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, integer, string};
use crate::tables;

const WEBHOOKS: &str = "webhook_events";
const DUPLICATES: &str = "webhook_duplicates";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_webhooks(manager).await?;
        tables::compress_fast(manager, WEBHOOKS, "body").await?;
        create_duplicates(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, DUPLICATES).await?;
        tables::drop(manager, WEBHOOKS).await
    }
}

async fn create_webhooks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, WEBHOOKS);
    table
        .col(string("source", 64).not_null())
        .col(string("session", 128).not_null())
        .col(string("event_type", 64).not_null())
        .col(string("webhook_id", 128).not_null())
        .col(big_integer("receipt").not_null())
        .col(columns.bytes("body"))
        .col(string("outcome", 16).not_null())
        .col(string("reason", 64))
        .col(integer("attempts").not_null().default(1))
        .col(integer("normalizer_version").not_null().default(0))
        .col(columns.time("webhook_at").not_null())
        .col(columns.time("received_at").not_null())
        .col(columns.time("processed_at").not_null());
    let indexes = vec![
        tables::unique(WEBHOOKS, ["source", "session", "event_type", "webhook_id"]),
        // How many webhooks ended in which outcome: the equation of `status`.
        tables::index(WEBHOOKS, ["outcome"]),
    ];
    tables::create(manager, table, indexes).await
}

async fn create_duplicates(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, DUPLICATES);
    table
        .col(big_integer("webhook_event_id").not_null())
        .col(big_integer("receipt").not_null())
        .col(columns.time("received_at").not_null())
        .foreign_key(&mut tables::cascade(DUPLICATES, "webhook_event_id", WEBHOOKS));
    let key = tables::unique(DUPLICATES, ["webhook_event_id", "receipt"]);
    tables::create(manager, table, vec![key]).await
}
