//! Lets rows be updated where they are, and keeps the cost of a webhook flat as history grows.
//!
//! PostgreSQL writes an updated row into its own page, without touching an index (HOT), only if no indexed
//! column changed and the page has room. So indexes on what each message or ack changes go:
//! - chats by `updated_at` served who followed chats; the feed does that now.
//! - messages by `status` served undelivered messages, which are found by the time they were stored. A partial
//!   one would forbid HOT just as well, because its condition reads the status.
//! - the ledger by `outcome` had an entry for each webhook; what was not applied is all that anybody looks
//!   for, and all rows are counted by their key.
//!
//! Dead letters are counted by state every 20 seconds, which read what they are grouped by.
//!
//! And pages of tables whose rows change keep room. It holds for pages that are filled from here on; those
//! that are full get room when rows in them are vacuumed.
//!
//! The new index is built first, and the ledger stands still for that: as for all that waits, webhooks stay in
//! the queue. Tables are locked in the order in which workers lock them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

use crate::tables;

const WEBHOOKS: &str = "webhook_events";
const CHATS: &str = "waha_chats";
const MESSAGES: &str = "waha_messages";

const ENDS: &str = "idx_webhook_events_outcome_reason";
const OUTCOMES: &str = "idx_webhook_events_outcome";
const CHANGED_CHATS: &str = "idx_waha_chats_session_id_updated_at";
const STATUSES: &str = "idx_waha_messages_status";
const LETTERS: &str = "dead_letters";
const STATES: &str = "idx_dead_letters_state";

/// Vacuumed after so many new rows, not after a fifth of a table: counting by an index alone reads the pages
/// of the table that were not vacuumed since they were filled. Only those are read by a vacuum.
const COUNTED: &str = "autovacuum_vacuum_insert_scale_factor = 0.005, \
                       autovacuum_vacuum_insert_threshold = 5000";

/// Rows of a large table that change some times, soon after they were made. A page has room for new versions
/// of a sixth of its rows, and those that nobody sees any more make room again. Vacuumed with a twentieth of
/// dead rows: a fifth would be gigabytes.
const GROWING: &str = "fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05";

/// Few rows, which change as long as they are there, up to once with each batch.
const CHANGING: &str = "fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05";

/// How PostgreSQL keeps the tables that most webhooks write.
const STORAGE: [(&str, &str); 9] = [
    (WEBHOOKS, COUNTED),
    ("webhook_duplicates", COUNTED),
    ("waha_sessions", CHANGING),
    (CHATS, CHANGING),
    ("waha_contacts", CHANGING),
    ("chat_reads", CHANGING),
    (MESSAGES, GROWING),
    ("waha_own_messages", GROWING),
    ("waha_message_acks", GROWING),
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tables::add_index(manager, WEBHOOKS, ENDS, ends(manager)).await?;
        tables::remove_index(manager, WEBHOOKS, OUTCOMES).await?;
        let states = tables::index(LETTERS, ["state"]);
        tables::add_index(manager, LETTERS, STATES, states).await?;
        tables::remove_index(manager, CHATS, CHANGED_CHATS).await?;
        tables::remove_index(manager, MESSAGES, STATUSES).await?;
        for (table, options) in STORAGE {
            store(manager, &format!("ALTER TABLE {table} SET ({options})")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let outcomes = tables::index(WEBHOOKS, ["outcome"]);
        tables::add_index(manager, WEBHOOKS, OUTCOMES, outcomes).await?;
        tables::remove_index(manager, WEBHOOKS, ENDS).await?;
        tables::remove_index(manager, LETTERS, STATES).await?;
        let changed_chats = tables::index(CHATS, ["session_id", "updated_at"]);
        tables::add_index(manager, CHATS, CHANGED_CHATS, changed_chats).await?;
        let statuses = tables::index(MESSAGES, ["status"]);
        tables::add_index(manager, MESSAGES, STATUSES, statuses).await?;
        for (table, options) in STORAGE {
            let names: Vec<&str> = options.split(", ").map(name).collect();
            store(manager, &format!("ALTER TABLE {table} RESET ({})", names.join(", "))).await?;
        }
        Ok(())
    }
}

/// What did not end as applied: counted by outcome, and found by reason. PostgreSQL leaves out the others, which
/// are most; the other databases count all rows by the smallest index, and a row's key is longer there.
fn ends(manager: &SchemaManager<'_>) -> IndexCreateStatement {
    let mut index = tables::index(WEBHOOKS, ["outcome", "reason"]);
    if manager.get_database_backend() == DbBackend::Postgres {
        index.and_where(Expr::col("outcome").ne("applied"));
    }
    index
}

/// Only PostgreSQL has such options. They take no lock that writers wait for.
async fn store(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    manager.get_connection().execute_unprepared(sql).await.map(drop)
}

fn name(option: &str) -> &str {
    option.split(" = ").next().unwrap_or(option)
}
