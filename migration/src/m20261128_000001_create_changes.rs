//! Makes the feed: `waha_changes` with what changed under dense positions, `waha_feed` with the counter that
//! gives them out; and keeps ids, so that whoever refers to a message finds where it went
//! (`waha_messages.merged_into`). `waha_visible_messages` is what lists show.
//!
//! What changed before is not in the feed: applications read the tables once and follow from there.

use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::columns::{Columns, big_integer, string};
use crate::{m20261126_000002_compare_trailing_spaces as spaces, tables};

const CHANGES: &str = "waha_changes";
const FEED: &str = "waha_feed";
const MESSAGES: &str = "waha_messages";
const VISIBLE: &str = "waha_visible_messages";
const MERGED_INTO: &str = "merged_into";

/// What the view has of `waha_messages`: all that applications read.
const SHOWN: [&str; 38] = [
    "id",
    "session_id",
    "chat_id",
    "message_id",
    "waha_id",
    "author",
    "from_me",
    "sender",
    "sender_name",
    "type",
    "is_notice",
    "content",
    "original_content",
    "details",
    "reply_to",
    "reply_to_sender",
    "reply_to_content",
    "is_forwarded",
    "origin",
    "sent_at",
    "stored_at",
    "has_media",
    "media_url",
    "media_mime_type",
    "media_file_name",
    "media_error",
    "status",
    "ack",
    "status_rank",
    "status_reason",
    "edited_at",
    "revoked_at",
    "revoked_by",
    "is_amended",
    "edited_version",
    "content_version",
    "created_at",
    "updated_at",
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns::of(manager);
        create_changes(manager, columns).await?;
        create_feed(manager, columns).await?;
        tables::add(manager, MESSAGES, columns.time("stored_at")).await?;
        tables::add(manager, MESSAGES, big_integer(MERGED_INTO)).await?;
        let mut pointers = tables::index(MESSAGES, [MERGED_INTO]);
        if !columns.is_mysql() {
            pointers.and_where(Expr::col(MERGED_INTO).is_not_null());
        }
        tables::add_index(manager, MESSAGES, &pointers_name(), pointers).await?;
        create_view(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared(&format!("DROP VIEW IF EXISTS {VISIBLE}")).await?;
        tables::remove_index(manager, MESSAGES, &pointers_name()).await?;
        tables::remove(manager, MESSAGES, MERGED_INTO).await?;
        tables::remove(manager, MESSAGES, "stored_at").await?;
        tables::drop(manager, FEED).await?;
        tables::drop(manager, CHANGES).await
    }
}

fn pointers_name() -> String {
    format!("idx_{MESSAGES}_{MERGED_INTO}")
}

/// Rows are written once and read in the order of their key, so there is no other index.
async fn create_changes(manager: &SchemaManager<'_>, columns: Columns) -> Result<(), DbErr> {
    let position = big_integer("position").not_null().primary_key().take();
    let table = tables::table_by(columns, CHANGES, position)
        .col(string("kind", 32).not_null())
        .col(big_integer("session_id").not_null())
        .col(big_integer("chat_id"))
        .col(big_integer("row_id").not_null())
        .col(string("natural_key", 255).not_null())
        .col(columns.time("changed_at").not_null())
        .take();
    tables::create_as_it_is(manager, table).await?;
    spaces::tell_apart(manager, CHANGES).await
}

/// One row. The epoch is the moment at which the feed began.
async fn create_feed(manager: &SchemaManager<'_>, columns: Columns) -> Result<(), DbErr> {
    let table = tables::table_by(columns, FEED, big_integer("id").not_null().primary_key().take())
        .col(string("epoch", 32).not_null())
        .col(big_integer("position").not_null())
        .col(big_integer("oldest_position").not_null())
        .take();
    tables::create_as_it_is(manager, table).await?;
    spaces::tell_apart(manager, FEED).await?;
    let epoch = nanoseconds();
    let db = manager.get_connection();
    let ignore = match manager.get_database_backend() {
        DbBackend::MySql => "ON DUPLICATE KEY UPDATE id = id",
        _ => "ON CONFLICT (id) DO NOTHING",
    };
    let values = format!("VALUES (1, '{epoch:x}', 0, 1) {ignore}");
    let sql = format!("INSERT INTO {FEED} (id, epoch, position, oldest_position) {values}");
    db.execute_unprepared(&sql).await.map(drop)
}

#[expect(clippy::disallowed_methods, reason = "any number that no other feed has")]
fn nanoseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

async fn create_view(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // "type" is no name to the databases but a word.
    let columns = SHOWN.join(", ");
    let make = match manager.get_database_backend() {
        // A run that was cut off may have made it. Its user may be gone one day.
        DbBackend::MySql => "CREATE OR REPLACE SQL SECURITY INVOKER VIEW",
        _ => "CREATE VIEW",
    };
    let which = format!("is_stub = FALSE AND {MERGED_INTO} IS NULL");
    let sql = format!("{make} {VISIBLE} AS SELECT {columns} FROM {MESSAGES} WHERE {which}");
    manager.get_connection().execute_unprepared(&sql).await.map(drop)
}
