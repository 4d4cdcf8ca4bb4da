//! Databases of a test's own, and what is in their tables.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, IdenStatic, Iterable, Statement,
};
use waha_ingest::store::Store;

use crate::app::{clock, open_store};
use crate::database::{Database, Kind};

/// One database of a test, made for it.
pub(super) struct Tables {
    /// Two workers, each with a cache of its own.
    pub(super) workers: [Arc<Store>; 2],
    connection: DatabaseConnection,
    _database: Database,
}

/// Columns that say nothing about WhatsApp.
const BOOKKEEPING: [&str; 4] = ["id", "created_at", "updated_at", "stored_at"];

impl Tables {
    pub(super) async fn create(kind: Kind) -> Self {
        let database = Database::create(kind).await;
        let one = open_store(&database, clock()).await;
        let workers = [Arc::clone(&one), open_store(&database, clock()).await];
        Self { workers, connection: one.connection(), _database: database }
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

    /// Every row of every table, without ids and times of bookkeeping; sorted.
    pub(super) async fn dump(&self) -> Vec<String> {
        use entity::prelude as e;
        let ids = Ids::read(self).await;
        let mut rows = self.rows::<e::WahaSessions>(&ids).await;
        rows.extend(self.rows::<e::WahaSessionStatuses>(&ids).await);
        rows.extend(self.rows::<e::UserWaha>(&ids).await);
        rows.extend(self.rows::<e::WahaContacts>(&ids).await);
        rows.extend(self.rows::<e::WahaChats>(&ids).await);
        rows.extend(self.rows::<e::WahaMessages>(&ids).await);
        rows.extend(self.rows::<e::WahaOwnMessages>(&ids).await);
        rows.extend(self.rows::<e::WahaCalls>(&ids).await);
        rows.extend(self.rows::<e::ChatReads>(&ids).await);
        rows.extend(self.rows::<e::WahaMessageClaims>(&ids).await);
        rows.extend(self.rows::<e::WahaMessageEdits>(&ids).await);
        rows.extend(self.rows::<e::WahaMessageRevocations>(&ids).await);
        rows.extend(self.rows::<e::WahaMessageAcks>(&ids).await);
        rows.extend(self.rows::<e::WahaReactions>(&ids).await);
        rows.extend(self.rows::<e::WahaPollVotes>(&ids).await);
        rows.extend(self.rows::<e::WahaEventResponses>(&ids).await);
        rows.extend(self.rows::<e::WahaParticipants>(&ids).await);
        rows.extend(self.rows::<e::WahaJoinRequests>(&ids).await);
        rows.extend(self.rows::<e::WahaLabels>(&ids).await);
        rows.extend(self.rows::<e::WahaChatLabels>(&ids).await);
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

    async fn rows<E: EntityTrait>(&self, ids: &Ids) -> Vec<String> {
        let table = E::default().table_name().to_owned();
        let names: Vec<String> = E::Column::iter()
            .map(|column| column.as_str().to_owned())
            .filter(|name| !BOOKKEEPING.contains(&name.as_str()))
            .collect();
        let quote =
            if self.connection.get_database_backend() == DbBackend::MySql { '`' } else { '"' };
        let columns: Vec<String> =
            names.iter().map(|name| self.text(&format!("{quote}{name}{quote}"))).collect();
        // Which messages gave way to others depends on the order.
        let which = if table == "waha_messages" { "WHERE merged_into IS NULL" } else { "" };
        let rows = self.query(&format!("SELECT {} FROM {table} {which}", columns.join(", "))).await;
        let line = |row: Vec<Option<String>>| {
            let values = names.iter().zip(row).filter_map(|(name, value)| {
                Some(format!("{name}={}", ids.natural(&table, name, value?)))
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
