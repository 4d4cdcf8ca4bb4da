//! MySQL and MariaDB: texts that differ only by spaces at their end are two, as on the other databases.
//!
//! `utf8mb4_bin` pads with spaces before it compares, so "abc" and "abc " were one webhook, one chat or
//! one status there. Rewrites the tables, which takes as long as they are large.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, Statement};

/// All tables that have texts, as they were made so far.
const TABLES: [&str; 25] = [
    "audit_logs",
    "chat_reads",
    "dead_letter_edits",
    "dead_letter_replays",
    "dead_letters",
    "replay_jobs",
    "user_waha",
    "waha_calls",
    "waha_chat_labels",
    "waha_chats",
    "waha_contacts",
    "waha_event_responses",
    "waha_join_requests",
    "waha_labels",
    "waha_message_acks",
    "waha_message_claims",
    "waha_message_edits",
    "waha_message_revocations",
    "waha_messages",
    "waha_participants",
    "waha_poll_votes",
    "waha_reactions",
    "waha_session_statuses",
    "waha_sessions",
    "webhook_events",
];

/// MariaDB's, then that of MySQL 8.0.17 and later. Both compare byte by byte and pad nothing.
const COLLATIONS: [&str; 2] = ["utf8mb4_nopad_bin", "utf8mb4_0900_bin"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::MySql {
            return Ok(());
        }
        let collation = collation(manager).await?;
        convert(manager, collation).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::MySql {
            return Ok(());
        }
        convert(manager, "utf8mb4_bin").await
    }
}

/// The same for a table that is made later; again what is done already, should a run have been cut off.
pub(crate) async fn tell_apart(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::MySql {
        return Ok(());
    }
    convert_table(manager, table, collation(manager).await?).await
}

/// The collation of texts in tables that are made from here on.
pub(crate) async fn collation(manager: &SchemaManager<'_>) -> Result<&'static str, DbErr> {
    for collation in COLLATIONS {
        let question = Statement::from_sql_and_values(
            DbBackend::MySql,
            "SELECT 1 FROM information_schema.collations WHERE collation_name = ?",
            [collation.into()],
        );
        if manager.get_connection().query_one_raw(question).await?.is_some() {
            return Ok(collation);
        }
    }
    let text = "the server has no collation that tells spaces at the end of a text apart: update it \
                to MySQL 8.0.17 or MariaDB 10.6, or later";
    Err(DbErr::Custom(text.to_owned()))
}

/// Again what is done already, should a run have been cut off.
async fn convert(manager: &SchemaManager<'_>, collation: &str) -> Result<(), DbErr> {
    for table in TABLES {
        convert_table(manager, table, collation).await?;
    }
    Ok(())
}

async fn convert_table(
    manager: &SchemaManager<'_>,
    table: &str,
    collation: &str,
) -> Result<(), DbErr> {
    let sql = format!("ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}");
    manager.get_connection().execute_unprepared(&sql).await?;
    Ok(())
}
