//! Makes `waha_attachments`: the files of messages, and what became of fetching each.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const ATTACHMENTS: &str = "waha_attachments";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, ATTACHMENTS);
        table
            .col(big_integer("session_id").not_null())
            // Null once the message was deleted: the file is still to be.
            .col(big_integer("message_row_id"))
            .col(string("message_id", 255).not_null())
            .col(string("state", 16).not_null())
            .col(string("reason", 32))
            .col(integer("tries").not_null())
            .col(columns.time("next_try_at"))
            .col(columns.time("leased_until"))
            .col(big_integer("lease_number").not_null())
            .col(string("told_mime_type", 255))
            .col(string("told_sha256", 64))
            .col(columns.text("file_name"))
            .col(string("mime_type", 255))
            .col(big_integer("size_bytes"))
            .col(string("sha256", 64))
            .col(string("storage_key", 255))
            .col(columns.time("stored_at"))
            .foreign_key(&mut tables::cascade(ATTACHMENTS, "session_id", "waha_sessions"))
            .foreign_key(&mut tables::set_null(ATTACHMENTS, "message_row_id", "waha_messages"));
        let key = tables::unique(ATTACHMENTS, ["message_row_id"]);
        // What is to be fetched next.
        let due = tables::index(ATTACHMENTS, ["state", "next_try_at"]);
        // Those of a session, in the order in which they came.
        let by_session = tables::index(ATTACHMENTS, ["session_id", "id"]);
        tables::create(manager, table, vec![key, due, by_session]).await?;
        spaces::tell_apart(manager, ATTACHMENTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, ATTACHMENTS).await
    }
}
