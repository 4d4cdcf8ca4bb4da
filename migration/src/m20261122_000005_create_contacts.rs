//! Makes `waha_contacts`: who is who, and which two ids are one person.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, string, version};
use crate::tables;

const CONTACTS: &str = "waha_contacts";
const READS: &str = "chat_reads";
const BY_READER: &str = "idx_chat_reads_reader";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_contacts(manager).await?;
        tables::add_index(manager, READS, BY_READER, by_reader()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove_index(manager, READS, BY_READER).await?;
        tables::drop(manager, CONTACTS).await
    }
}

async fn create_contacts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let mut table = tables::table(columns, CONTACTS);
    table
        .col(big_integer("session_id").not_null())
        .col(string("jid", 255).not_null())
        .col(string("phone", 255))
        .col(string("lid", 255))
        .col(columns.text("push_name"))
        .col(version("push_name_version"))
        .foreign_key(&mut tables::cascade(CONTACTS, "session_id", "waha_sessions"));
    let indexes = vec![
        tables::unique(CONTACTS, ["session_id", "jid"]),
        // All ids of a person, by phone.
        tables::index(CONTACTS, ["session_id", "phone"]),
    ];
    tables::create(manager, table, indexes).await
}

/// How far a person has read everywhere: asked when two ids turn out to be one person.
fn by_reader() -> IndexCreateStatement {
    tables::index(READS, ["reader"])
}
