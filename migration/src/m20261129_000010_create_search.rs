//! Makes what messages are searched by: `waha_message_words` with the words of each message, and
//! `waha_search`, how far it is filled. Both cost nothing until `waha-ingest search enable` fills them.
//!
//! The words come folded and split from waha-ingest, so each database has its plainest index: PostgreSQL a
//! `tsvector` without a dictionary, which needs no extension; MySQL and MariaDB FULLTEXT over words that
//! their parser can't take for anything else; SQLite an FTS5 table that keeps the index only.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::columns::{Columns, big_integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const WORDS: &str = "waha_message_words";
const SEARCH: &str = "waha_search";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_words(manager, Columns::of(manager)).await?;
        create_search(manager, Columns::of(manager)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, SEARCH).await?;
        tables::drop(manager, WORDS).await
    }
}

/// A row for each message that can be found, with its id. No foreign key: whoever writes messages must not
/// wait for whoever fills this.
async fn create_words(manager: &SchemaManager<'_>, columns: Columns) -> Result<(), DbErr> {
    let kind = match manager.get_database_backend() {
        // Words are bytes to this tokenizer, which parts them at spaces.
        DbBackend::Sqlite => {
            let sql = format!(
                "CREATE VIRTUAL TABLE {WORDS} USING fts5(words, content = '', contentless_delete = 1, \
                 detail = none, tokenize = 'ascii')"
            );
            return manager.get_connection().execute_unprepared(&sql).await.map(drop);
        }
        DbBackend::MySql => "LONGTEXT CHARACTER SET ascii COLLATE ascii_bin",
        _ => "tsvector",
    };
    let words = ColumnDef::new("words").custom(kind).not_null().take();
    let mut table =
        tables::table_by(columns, WORDS, big_integer("id").not_null().primary_key().take());
    let index = tables::index(WORDS, ["words"]).full_text().take();
    tables::create_with(manager, table.col(words).take(), vec![index]).await
}

/// One row.
async fn create_search(manager: &SchemaManager<'_>, columns: Columns) -> Result<(), DbErr> {
    let key = big_integer("id").not_null().primary_key().take();
    let mut table = tables::table_by(columns, SEARCH, key);
    table
        .col(string("state", 16).not_null())
        .col(string("epoch", 32).not_null())
        .col(big_integer("position").not_null())
        .col(big_integer("filled_to").not_null())
        .col(big_integer("words_version").not_null());
    tables::create(manager, table, Vec::new()).await?;
    spaces::tell_apart(manager, SEARCH).await?;
    let ignore = match manager.get_database_backend() {
        DbBackend::MySql => "ON DUPLICATE KEY UPDATE id = id",
        _ => "ON CONFLICT (id) DO NOTHING",
    };
    let sql = format!(
        "INSERT INTO {SEARCH} (id, state, epoch, position, filled_to, words_version) \
         VALUES (1, 'off', '', 0, 0, 0) {ignore}"
    );
    manager.get_connection().execute_unprepared(&sql).await.map(drop)
}
