//! Makes what decides about a message beside its own tellings: edits, revocations, and the claims
//! of authors who do not own it. Adds to `waha_messages` what is derived from them.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, big_integer, boolean, string, version};
use crate::tables;

const MESSAGES: &str = "waha_messages";
const CALLS: &str = "waha_calls";
const EDITS: &str = "waha_message_edits";
const REVOCATIONS: &str = "waha_message_revocations";
const CLAIMS: &str = "waha_message_claims";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_edits(manager).await?;
        create_revocations(manager).await?;
        create_claims(manager).await?;
        let columns = Columns::of(manager);
        tables::add(manager, MESSAGES, columns.text("original_content")).await?;
        tables::add(manager, MESSAGES, boolean("is_amended").not_null().default(false).take())
            .await?;
        tables::add(manager, CALLS, version("rejected_reason_version")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::remove(manager, CALLS, "rejected_reason_version").await?;
        tables::remove(manager, MESSAGES, "is_amended").await?;
        tables::remove(manager, MESSAGES, "original_content").await?;
        for name in [CLAIMS, REVOCATIONS, EDITS] {
            tables::drop(manager, name).await?;
        }
        Ok(())
    }
}

fn of_author(columns: Columns, name: &'static str) -> TableCreateStatement {
    tables::table(columns, name)
        .col(big_integer("chat_id").not_null())
        .col(string("message_id", 255).not_null())
        .col(string("author", 255).not_null())
        .foreign_key(&mut tables::cascade(name, "chat_id", "waha_chats"))
        .take()
}

async fn create_edits(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let table = of_author(columns, EDITS)
        .col(string("edit_id", 255).not_null())
        .col(columns.text("content"))
        .col(columns.time("edited_at"))
        .col(version("edit_version"))
        .take();
    let key = tables::unique(EDITS, ["chat_id", "message_id", "author", "edit_id"]);
    tables::create(manager, table, vec![key]).await
}

async fn create_revocations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let table = of_author(columns, REVOCATIONS)
        .col(string("revoked_by", 255).not_null())
        .col(columns.time("revoked_at"))
        .col(boolean("is_verified").not_null())
        .col(version("revocation_version"))
        .take();
    let key = tables::unique(REVOCATIONS, ["chat_id", "message_id", "author"]);
    tables::create(manager, table, vec![key]).await
}

/// The columns that an author tells of a message, as in `waha_messages`.
async fn create_claims(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let columns = Columns::of(manager);
    let table = of_author(columns, CLAIMS)
        .col(version("author_version"))
        .col(string("waha_id", 512))
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
        .col(boolean("has_media"))
        .col(string("origin", 8))
        .col(columns.time("sent_at"))
        .col(version("content_version"))
        .col(columns.text("media_url"))
        .col(string("media_mime_type", 255))
        .col(columns.text("media_file_name"))
        .col(columns.text("media_error"))
        .col(version("media_version"))
        .take();
    let key = tables::unique(CLAIMS, ["chat_id", "message_id", "author"]);
    tables::create(manager, table, vec![key]).await
}
