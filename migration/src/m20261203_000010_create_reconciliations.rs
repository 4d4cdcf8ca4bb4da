//! Makes `reconciliations`, what is compared with WAHA's own list of messages and how far that got, and
//! `reconciliation_hours`, what it found, by session and hour.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const RECONCILIATIONS: &str = "reconciliations";
const HOURS: &str = "reconciliation_hours";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_reconciliations(manager).await?;
        create_hours(manager).await?;
        spaces::tell_apart(manager, RECONCILIATIONS).await?;
        spaces::tell_apart(manager, HOURS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, HOURS).await?;
        tables::drop(manager, RECONCILIATIONS).await
    }
}

async fn create_reconciliations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, RECONCILIATIONS);
    table
        // Null once the session was deleted: what was accepted still counts.
        .col(big_integer("session_id"))
        .col(string("kind", 16).not_null())
        .col(string("state", 16).not_null())
        .col(string("reason", 32))
        .col(columns.time("from_at"))
        .col(columns.time("until_at"))
        .col(columns.time("cursor_at"))
        .col(big_integer("mark"))
        .col(columns.time("due_at"))
        .col(columns.time("leased_until"))
        .col(big_integer("lease_number").not_null())
        .col(integer("failures").not_null())
        .col(big_integer("requests").not_null())
        .col(big_integer("listed").not_null())
        .col(big_integer("missing").not_null())
        .col(big_integer("accepted").not_null())
        .col(columns.time("ended_at"))
        .foreign_key(&mut tables::set_null(RECONCILIATIONS, "session_id", "waha_sessions"));
    let key = tables::unique(RECONCILIATIONS, ["session_id", "kind"]);
    // What is done next.
    let due = tables::index(RECONCILIATIONS, ["due_at"]);
    tables::create(manager, table, vec![key, due]).await
}

async fn create_hours(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, HOURS);
    table
        .col(big_integer("session_id").not_null())
        .col(columns.time("hour_at").not_null())
        .col(integer("listed").not_null())
        .col(integer("live").not_null())
        .col(integer("backfilled").not_null())
        .col(integer("only_here").not_null())
        .col(integer("revoked_here").not_null())
        .col(integer("refused").not_null())
        .col(string("state", 16).not_null())
        .col(string("reason", 32))
        .col(columns.time("checked_at").not_null())
        .foreign_key(&mut tables::cascade(HOURS, "session_id", "waha_sessions"));
    tables::create(manager, table, vec![tables::unique(HOURS, ["session_id", "hour_at"])]).await
}
