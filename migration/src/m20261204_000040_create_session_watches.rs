//! Makes `waha_session_watches`, whether each session is believed to live and who looks next, and
//! `waha_session_probes`, what was found and done, one row after the other.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const WATCHES: &str = "waha_session_watches";
const PROBES: &str = "waha_session_probes";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_watches(manager).await?;
        create_probes(manager).await?;
        spaces::tell_apart(manager, WATCHES).await?;
        spaces::tell_apart(manager, PROBES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, PROBES).await?;
        tables::drop(manager, WATCHES).await
    }
}

async fn create_watches(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, WATCHES);
    table
        .col(big_integer("session_id").not_null())
        .col(string("verdict", 16).not_null())
        .col(string("reason", 32))
        .col(columns.time("since_at").not_null())
        .col(integer("times").not_null())
        .col(string("told", 16))
        .col(columns.time("warned_at"))
        .col(columns.time("probed_at"))
        .col(columns.time("due_at").not_null())
        .col(big_integer("lease_number").not_null())
        .col(big_integer("emitted"))
        .col(columns.time("emitted_at"))
        .col(columns.time("reconciled_at"))
        .col(integer("restarts").not_null())
        .col(columns.time("restarted_at"))
        .foreign_key(&mut tables::cascade(WATCHES, "session_id", "waha_sessions"));
    let key = tables::unique(WATCHES, ["session_id"]);
    // Who is looked at next.
    let due = tables::index(WATCHES, ["due_at"]);
    tables::create(manager, table, vec![key, due]).await
}

async fn create_probes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, PROBES);
    table
        .col(big_integer("session_id").not_null())
        .col(columns.time("at").not_null())
        .col(string("kind", 16).not_null())
        .col(string("verdict", 16).not_null())
        .col(string("reason", 32))
        .col(string("status", 64))
        .foreign_key(&mut tables::cascade(PROBES, "session_id", "waha_sessions"));
    // The history of a session, newest first.
    let history = tables::index(PROBES, ["session_id", "id"]);
    tables::create(manager, table, vec![history]).await
}
