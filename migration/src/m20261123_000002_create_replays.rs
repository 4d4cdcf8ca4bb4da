//! Makes `replay_jobs`, `dead_letter_replays` and `dead_letter_edits`.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, string};
use crate::tables;

const JOBS: &str = "replay_jobs";
const REPLAYS: &str = "dead_letter_replays";
const EDITS: &str = "dead_letter_edits";
const DEAD_LETTERS: &str = "dead_letters";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_jobs(manager).await?;
        create_replays(manager).await?;
        create_edits(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, EDITS).await?;
        tables::drop(manager, REPLAYS).await?;
        tables::drop(manager, JOBS).await
    }
}

async fn create_jobs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, JOBS);
    table
        .col(columns.text("filter").not_null())
        .col(string("active_key", 64))
        .col(string("state", 16).not_null())
        .col(ColumnDef::new("rate").double().take())
        .col(string("requested_by", 255).not_null())
        .col(string("requested_from", 255).not_null())
        .col(big_integer("total").not_null())
        .col(big_integer("replayed").not_null())
        .col(big_integer("cursor_id").not_null())
        .col(big_integer("last_id").not_null())
        .col(string("lease_owner", 32).not_null())
        .col(columns.time("leased_until").not_null())
        .col(columns.time("started_at").not_null())
        .col(columns.time("ended_at"));
    // At most one that runs per filter; it is null once a job has ended.
    tables::create(manager, table, vec![tables::unique(JOBS, ["active_key"])]).await
}

async fn create_replays(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, REPLAYS);
    table
        .col(big_integer("job_id").not_null())
        .col(big_integer("dead_letter_id").not_null())
        .col(columns.time("replayed_at").not_null())
        .col(columns.time("published_at"))
        .col(columns.time("repeated_at"))
        .col(columns.time("ended_at"))
        .col(string("outcome", 16))
        .col(string("reason", 64))
        .foreign_key(&mut tables::cascade(REPLAYS, "job_id", JOBS))
        .foreign_key(&mut tables::cascade(REPLAYS, "dead_letter_id", DEAD_LETTERS));
    let indexes = vec![
        // What a job has marked and not published yet.
        tables::unique(REPLAYS, ["job_id", "dead_letter_id"]),
        // How often a dead letter was replayed, and how that ended.
        tables::index(REPLAYS, ["dead_letter_id"]),
    ];
    tables::create(manager, table, indexes).await
}

async fn create_edits(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, EDITS);
    table
        .col(big_integer("dead_letter_id").not_null())
        .col(columns.bytes("body").not_null())
        .col(string("edited_by", 255).not_null())
        .col(columns.time("edited_at").not_null())
        .foreign_key(&mut tables::cascade(EDITS, "dead_letter_id", DEAD_LETTERS));
    // The bodies that a dead letter had before.
    tables::create(manager, table, vec![tables::index(EDITS, ["dead_letter_id"])]).await
}
