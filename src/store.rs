//! The tables: everything that reads or writes them, and the only module that knows the database.
//!
//! Called by `worker` (apply, dead letters), `cli`, `operations` and `replay`. A plain struct over SeaORM, which
//! covers SQLite, PostgreSQL and MySQL/MariaDB; what differs between them is in `store/sql/dialect.rs`.
//!
//! It has rooms, each with a head file of the same name. Reading order: `apply`, how webhooks end; `identity`,
//! who is who; `tables`, the columns and merge rules; `sql` and `connect`, which they stand on; then
//! `operations` and `audit`. ARCHITECTURE.md has the picture, and a test holds them to it.
//!
//! This file is what the rooms above `identity` share. It may import `sql`, `connect` and `identity`.

pub mod apply;
pub mod audit;
pub mod connect;
pub mod feed;
mod identity;
pub mod operations;
pub mod sql;
mod tables;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::TimeDelta;
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

use connect::ConnectError;
use connect::hosts::ServerUrl;
use connect::limit::MessageLimit;
use connect::pool::ServerPool;
use connect::primary::{self, PrimaryPool};
use connect::problem::{self, ServerProblem};
use connect::seen::SeenServers;
use connect::server::ServerState;
use connect::transaction::{CheckedTransaction, TransactionPurpose, WriteContext};
use identity::ids::RowIdCache;
use sql::dialect::Dialect;

pub use sql::error::{ErrorClass, StoreError};

/// A connection to the tables.
pub struct Store {
    primary: PrimaryPool,
    limit: MessageLimit,
    dialect: Dialect,
    clock: Arc<dyn Clock>,
    /// Database ids of sessions and chats that were seen committed.
    ids: RowIdCache,
    /// New rows are made by one at a time: in a crowd of new people, two would wait for one another.
    ensuring_contacts: Mutex<()>,
    /// SQLite has one writer at a time: waiting here is fair, its busy handler is not.
    turn: Mutex<()>,
    keeps_bodies: bool,
    keeps_ephemeral_bodies: bool,
    /// How many were begun that write rows.
    transactions: AtomicI64,
}

/// Of a millisecond, which is all that the clock knows.
const MICROSECONDS: i64 = 1_000;

/// How a store is opened.
pub struct StoreOptions {
    /// `sqlite://`, `postgres://` or `mysql://`; of the last two several servers, with commas.
    pub url: String,
    /// Most connections at a time.
    pub connections_max: u32,
    /// Whether the ledger keeps the bodies of applied and ignored webhooks.
    pub keeps_bodies: bool,
    /// Whether it keeps those of ephemeral ones, too.
    pub keeps_ephemeral_bodies: bool,
}

impl Store {
    /// Connects; does not migrate. Makes the file of a new SQLite database.
    pub async fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        Self::connect(options, clock, true).await
    }

    /// The same, but an SQLite database must be there.
    pub async fn open_existing(
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        Self::connect(options, clock, false).await
    }

    async fn connect(
        options: &StoreOptions,
        clock: Arc<dyn Clock>,
        makes_file: bool,
    ) -> Result<Self, ConnectError> {
        let primary = PrimaryPool::open(&options.url, options.connections_max, makes_file).await?;
        let pool = primary.pool();
        Ok(Self {
            dialect: Dialect::of(pool.db.get_database_backend()),
            limit: pool.limit.clone(),
            primary,
            clock,
            ids: RowIdCache::default(),
            ensuring_contacts: Mutex::new(()),
            turn: Mutex::new(()),
            keeps_bodies: options.keeps_bodies,
            keeps_ephemeral_bodies: options.keeps_ephemeral_bodies,
            transactions: AtomicI64::new(0),
        })
    }

    /// Connections to the present server, for migrations and tests: not to be kept.
    pub fn connection(&self) -> DatabaseConnection {
        self.pool().db.clone()
    }

    /// Takes changed URLs over, and looks which of several servers takes writes, until `stop`.
    pub async fn watch(&self, stop: CancellationToken) {
        self.primary.watch(stop).await;
    }

    /// Uses another URL as soon as it can be used, as after a change of the password; until then the
    /// present one. An error: it needs a restart, or can't be read.
    pub fn replace_url(&self, url: &str) -> Result<(), ConnectError> {
        self.primary.replace_url(url)
    }

    /// What each server that the URL names says of itself, in that order; a file says nothing.
    pub async fn servers(&self) -> Vec<(String, Result<ServerState, StoreError>)> {
        let servers = self.primary.servers();
        let found = primary::probe_servers(&servers, None, None).await;
        let names = servers.iter().map(|server| server.name.clone());
        names.zip(found.answers).collect()
    }

    /// Where the tables are looked for, without passwords: each server that the URL names, or the file.
    pub fn places(&self) -> Vec<String> {
        self.primary.servers().iter().map(problem::place).collect()
    }

    /// Of each server that the URL names what keeps it from being used, if anything does; asked anew.
    pub async fn problems(&self) -> Vec<Option<ServerProblem>> {
        let servers = self.primary.servers();
        let found = primary::probe_servers(&servers, None, None).await;
        let of = |(server, answer): (&ServerUrl, Result<ServerState, StoreError>)| {
            answer.err().map(|error| ServerProblem::of(server, &error))
        };
        let mut problems: Vec<_> = servers.iter().zip(found.answers).map(of).collect();
        if self.dialect == Dialect::Sqlite
            && let Err(error) = self.ping().await
        {
            problems = servers.iter().map(|it| Some(ServerProblem::of(it, &error))).collect();
        }
        problems
    }

    /// Forgets the cached ids of rows: needed after rows were deleted by hand.
    pub fn forget_ids(&self) {
        self.ids.forget();
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.pool().db.ping().await?)
    }

    /// Bytes of the longest statement that the server takes, as the newest connection was told; none
    /// where there is no limit that a body could reach.
    pub fn message_bytes_max(&self) -> Option<usize> {
        self.limit.bytes()
    }

    /// The connections in use, for a single statement that reads.
    fn pool(&self) -> Arc<ServerPool> {
        self.primary.pool()
    }

    /// Which servers they have led to.
    fn seen(&self) -> SeenServers {
        self.primary.seen()
    }

    /// A transaction that writes. Once it is there, an error must end it.
    async fn begin(&self) -> Result<CheckedTransaction, StoreError> {
        CheckedTransaction::begin(&self.primary.trusted().await?, TransactionPurpose::Write).await
    }

    /// What statements of a transaction need. Its time is the clock's, and differs from that of the one before
    /// within the millisecond, so that the rows that it changes can be told from those of others.
    fn write_context<'a>(&self, db: &'a CheckedTransaction) -> WriteContext<'a> {
        let number = self.transactions.fetch_add(1, Ordering::Relaxed) % MICROSECONDS;
        let now = self.clock.now() + TimeDelta::microseconds(number);
        WriteContext::new(db, self.dialect, now)
    }

    /// A transaction in which all that is read is of one moment.
    async fn snapshot(&self) -> Result<CheckedTransaction, StoreError> {
        CheckedTransaction::begin(&self.primary.trusted().await?, TransactionPurpose::Snapshot)
            .await
    }

    /// The right to write; immediate except on SQLite.
    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.dialect {
            Dialect::Sqlite => Some(self.turn.lock().await),
            Dialect::Postgres | Dialect::MySql => None,
        }
    }
}
