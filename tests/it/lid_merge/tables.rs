//! Databases of a test's own, and what is in their tables.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use waha_ingest::clock::FixedClock;
use waha_ingest::store::Store;

use crate::app::{Extras, clock, open_store_with};
use crate::database::{Database, Kind};
use crate::migrations_with_rows::columns;
use crate::rows::TABLES;

use super::steps;

/// One database of a test, made for it.
pub(super) struct Tables {
    /// Two workers, each with a cache of its own.
    pub(super) workers: [Arc<Store>; 2],
    /// Of both.
    pub(super) clock: Arc<FixedClock>,
    /// Whether chats move in steps.
    pub(super) moves: bool,
    pub(super) connection: DatabaseConnection,
    _database: Database,
}

/// Columns that say nothing about WhatsApp.
const BOOKKEEPING: [&str; 4] = ["id", "created_at", "updated_at", "stored_at"];

impl Tables {
    pub(super) async fn create(kind: Kind) -> Self {
        Self::with(kind, None).await
    }

    /// The same where a chat with more messages moves in steps of so many.
    pub(super) async fn moving(kind: Kind, moved_at_once: u64) -> Self {
        Self::with(kind, Some(moved_at_once)).await
    }

    async fn with(kind: Kind, moved_at_once: Option<u64>) -> Self {
        let database = Database::create(kind).await;
        let clock = clock();
        let open = || {
            let extras = Extras { moved_at_once, ..Extras::default() };
            open_store_with(extras, &database.url, Arc::clone(&clock))
        };
        let workers = [open().await, open().await];
        let connection = workers[0].connection();
        Self { workers, clock, moves: moved_at_once.is_some(), connection, _database: database }
    }

    /// Takes every row away; the workers have seen nothing.
    pub(super) async fn clear(&self) {
        for worker in &self.workers {
            worker.forget_ids();
        }
        for table in ["waha_sessions", "webhook_events", "dead_letters"] {
            self.connection.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
        }
    }

    /// Every row of every table, without ids and times of bookkeeping; sorted. What moves has moved then.
    pub(super) async fn dump(&self) -> Vec<String> {
        steps::move_all(self).await;
        let ids = Ids::read(self).await;
        let mut rows = Vec::new();
        // The ledger has a row for each telling.
        for (table, _) in TABLES.into_iter().filter(|(table, _)| *table != "webhook_events") {
            rows.extend(self.rows(table, &ids).await);
        }
        rows.sort_unstable();
        rows
    }

    /// What a query says, as texts.
    pub(super) async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let statement = Statement::from_string(self.connection.get_database_backend(), sql);
        let rows = self.connection.query_all_raw(statement).await.unwrap();
        let texts = |row: &sea_orm::QueryResult| {
            let columns = row.column_names().len();
            (0..columns).map(|place| row.try_get_by_index(place).unwrap()).collect()
        };
        rows.iter().map(texts).collect()
    }

    /// A column as text.
    pub(super) fn text(&self, column: &str) -> String {
        let is_mysql = self.connection.get_database_backend() == DbBackend::MySql;
        format!("CAST({column} AS {})", if is_mysql { "CHAR" } else { "TEXT" })
    }

    async fn rows(&self, table: &str, ids: &Ids) -> Vec<String> {
        let columns = columns(&self.connection, table).await.into_iter().map(|(name, _)| name);
        let names: Vec<String> =
            columns.filter(|name| !BOOKKEEPING.contains(&name.as_str())).collect();
        let quote =
            if self.connection.get_database_backend() == DbBackend::MySql { '`' } else { '"' };
        let columns: Vec<String> =
            names.iter().map(|name| self.text(&format!("{quote}{name}{quote}"))).collect();
        // Which messages gave way to others depends on the order.
        let which = if table == "waha_messages" { "WHERE merged_into IS NULL" } else { "" };
        let rows = self.query(&format!("SELECT {} FROM {table} {which}", columns.join(", "))).await;
        let line = |row: Vec<Option<String>>| {
            let values = names.iter().zip(row).filter_map(|(name, value)| {
                Some(format!("{name}={}", ids.natural(table, name, value?)))
            });
            format!("{table}: {}", values.collect::<Vec<_>>().join(" "))
        };
        rows.into_iter().map(line).collect()
    }
}

/// What stands for the ids of rows.
struct Ids {
    sessions: HashMap<String, String>,
    chats: HashMap<String, String>,
}

impl Ids {
    async fn read(tables: &Tables) -> Self {
        let id = tables.text("id");
        let sessions = tables.query(&format!("SELECT {id}, name FROM waha_sessions")).await;
        let chats = tables.query(&format!("SELECT {id}, chat_id FROM waha_chats")).await;
        let map = |rows: Vec<Vec<Option<String>>>| {
            let pair = |row: Vec<Option<String>>| {
                let mut row = row.into_iter().flatten();
                (row.next().unwrap(), row.next().unwrap())
            };
            rows.into_iter().map(pair).collect()
        };
        Self { sessions: map(sessions), chats: map(chats) }
    }

    fn natural(&self, table: &str, column: &str, value: String) -> String {
        match (table, column) {
            (_, "session_id") => self.sessions[&value].clone(),
            ("waha_chats", "chat_id") => value,
            (_, "chat_id" | "merged_into") => self.chats[&value].clone(),
            _ => value,
        }
    }
}
