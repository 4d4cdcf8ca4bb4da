//! Makes `waha_messages`, the largest table next to the ledger.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, boolean, small_integer, string, version};
use crate::tables;

const MESSAGES: &str = "waha_messages";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        let mut table = tables::table(columns, MESSAGES);
        identity(&mut table);
        content(columns, &mut table);
        media(columns, &mut table);
        state(columns, &mut table);
        tables::create(manager, table, indexes()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::drop(manager, MESSAGES).await
    }
}

fn identity(table: &mut TableCreateStatement) {
    table
        .col(big_integer("session_id").not_null())
        .col(big_integer("chat_id").not_null())
        .col(string("message_id", 255).not_null())
        .col(string("waha_id", 512))
        .col(boolean("is_stub").not_null().default(true))
        .col(string("author", 255))
        .col(version("author_version"))
        .foreign_key(&mut tables::cascade(MESSAGES, "session_id", "waha_sessions"))
        .foreign_key(&mut tables::cascade(MESSAGES, "chat_id", "waha_chats"));
}

fn content(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(boolean("from_me"))
        .col(string("sender", 255))
        .col(columns.text("sender_name"))
        .col(string("type", 32))
        .col(columns.text("content"))
        .col(columns.text("details"))
        .col(string("reply_to", 255))
        .col(string("reply_to_sender", 255))
        .col(columns.text("reply_to_content"))
        .col(boolean("is_forwarded"))
        .col(string("origin", 8))
        .col(columns.time("sent_at"))
        .col(version("content_version"));
}

fn media(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(boolean("has_media"))
        .col(columns.text("media_url"))
        .col(string("media_mime_type", 255))
        .col(columns.text("media_file_name"))
        .col(columns.text("media_error"))
        .col(version("media_version"));
}

fn state(columns: Columns, table: &mut TableCreateStatement) {
    table
        .col(string("status", 16))
        .col(small_integer("ack"))
        .col(small_integer("status_rank").not_null().default(-1_i16))
        .col(columns.time("edited_at"))
        .col(version("edited_version"))
        .col(columns.time("revoked_at"))
        .col(string("revoked_by", 255));
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        // The natural key (session_id, chat_id, message_id). The chat comes first in the index, so
        // that it also serves the foreign key to waha_chats: a chat determines its session, and
        // otherwise MySQL would keep one more index on every insert and a deleted chat would read
        // the whole table on the others.
        tables::unique(MESSAGES, ["chat_id", "message_id", "session_id"]),
        // A conversation in order, page by page. Also leads the foreign key to waha_sessions.
        tables::index(MESSAGES, ["session_id", "chat_id", "sent_at"]),
        // What came in for this session since: applications that follow new messages.
        tables::index(MESSAGES, ["session_id", "created_at"]),
        // Messages that failed or were never delivered.
        tables::index(MESSAGES, ["status"]),
    ]
}
