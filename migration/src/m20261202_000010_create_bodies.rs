//! Makes `webhook_bodies`, where bodies may be kept packed and apart from the ledger, and `webhook_dictionaries`
//! with what they are packed with. Nothing is in them until `ledger.body_codec` says so: the previous release
//! reads bodies in the ledger only.
//!
//! No foreign key to the ledger, which would forbid that both are partitioned; and no times, which are the
//! ledger's: a row is a few hundred bytes, written once and deleted once.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::columns::{Columns, integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const BODIES: &str = "webhook_bodies";
const DICTIONARIES: &str = "webhook_dictionaries";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_bodies(manager).await?;
        create_dictionaries(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, DICTIONARIES).await?;
        tables::drop(manager, BODIES).await
    }
}

async fn create_bodies(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table_by(columns, BODIES, given_key("webhook_event_id", columns));
    table
        .col(integer("body_bytes").not_null())
        .col(integer("dictionary_id"))
        .col(string("codec", 8).not_null())
        .col(columns.bytes("body").not_null());
    tables::create_as_it_is(manager, table).await?;
    store_as_it_is(manager).await?;
    spaces::tell_apart(manager, BODIES).await
}

/// Packed bytes can't be made shorter: PostgreSQL need not try.
async fn store_as_it_is(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let sql = format!("ALTER TABLE {BODIES} ALTER COLUMN body SET STORAGE EXTERNAL");
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}

async fn create_dictionaries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table_by(columns, DICTIONARIES, given_key("dictionary_id", columns));
    table.col(columns.bytes("dictionary").not_null());
    tables::create(manager, table, Vec::new()).await
}

/// A key that the database does not give. SQLite keeps rows by it if its type is this very word.
fn given_key(name: &'static str, columns: Columns) -> ColumnDef {
    let mut key = ColumnDef::new(name);
    if columns.is_sqlite() {
        key.integer()
    } else {
        key.big_integer()
    };
    key.not_null().primary_key().take()
}
