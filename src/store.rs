//! The tables: everything that reads or writes them, and the only module that knows the database.
//!
//! Called by `worker` (apply, dead letters), `cli`, `operations` and `replay`. A plain struct over SeaORM, which
//! covers SQLite, PostgreSQL and MySQL/MariaDB; what differs between them is in `store/sql/dialect.rs`.
//!
//! It has rooms, each with a head file of the same name. Reading order: `apply`, how webhooks end; `bodies`, where
//! theirs are; `identity`, who is who; `tables`, the columns and merge rules; `sql` and `connect`, which they stand
//! on; then `operations` and `audit`. ARCHITECTURE.md has the picture, and a test holds them to it.
//!
//! This file is what the rooms above `identity` share. It may import `sql`, `connect` and `identity`.

pub mod apply;
pub mod audit;
pub mod bodies;
pub mod connect;
pub mod feed;
mod identity;
pub mod months;
pub mod operations;
pub mod sql;
mod tables;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::TimeDelta;
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio_util::sync::CancellationToken;

use crate::body_codec::Dictionaries;
use crate::clock::Clock;

use connect::ConnectError;
use connect::hosts::ServerUrl;
use connect::limit::MessageLimit;
use connect::pool::ServerPool;
use connect::primary::{self, PrimaryPool};
use connect::problem::{self, ServerProblem};
use connect::replica::{Reading, Replica, ReplicaOptions, ReplicaView};
use connect::seen::SeenServers;
use connect::server::ServerState;
use connect::transaction::{CheckedTransaction, TransactionPurpose, WriteContext};
use feed::{FeedPlace, Followers};
use identity::ids::RowIdCache;
use months::{KnownLayout, MonthLayout};
use sql::dialect::Dialect;

pub use sql::error::{ErrorClass, StoreError};

/// A connection to the tables.
pub struct Store {
    primary: PrimaryPool,
    /// Read from where what is told may be some seconds old.
    replica: Option<Replica>,
    limit: MessageLimit,
    dialect: Dialect,
    clock: Arc<dyn Clock>,
    /// Database ids of sessions and chats that were seen committed.
    ids: RowIdCache,
    /// How the ledger is kept.
    months: KnownLayout,
    /// New rows are made by one at a time: in a crowd of new people, two would wait for one another.
    ensuring_contacts: Mutex<()>,
    /// SQLite has one writer at a time: waiting here is fair, its busy handler is not.
    turn: Mutex<()>,
    keeps_bodies: bool,
    keeps_ephemeral_bodies: bool,
    packs_bodies: bool,
    /// What bodies can be unpacked with.
    dictionaries: Dictionaries,
    /// The epoch of the server that has the dictionary, and 1; 0: none yet.
    dictionary_stored_on: AtomicU64,
    /// How many bodies were packed.
    packed: AtomicU64,
    kept_files: KeptFiles,
    moved_at_once: u64,
    /// Wakes who fetches files: a message told one.
    file_told: Notify,
    followers: Followers,
    /// How many were begun that write rows.
    transactions: AtomicI64,
}

/// Of which sessions files are kept: of none, unless it says so.
#[derive(Clone, Debug, Default)]
pub struct KeptFiles {
    /// WAHA servers that can be asked for files.
    pub sources: Vec<String>,
    /// Only these sessions, as (source, name); all if there are none.
    pub sessions: Vec<(String, String)>,
}

impl KeptFiles {
    fn takes(&self, source: &str, name: &str) -> bool {
        let mut sessions = self.sessions.iter();
        let is_named = sessions.len() == 0 || sessions.any(|it| it.0 == source && it.1 == name);
        is_named && self.sources.iter().any(|it| it == source)
    }
}

/// Of a millisecond, which is all that the clock knows.
const MICROSECONDS: i64 = 1_000;

/// A transaction that moves so many messages to another chat takes some tenths of a second.
pub const MOVED_AT_ONCE: u64 = 2_000;

/// How a store is opened.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting")]
pub struct StoreOptions {
    /// `sqlite://`, `postgres://` or `mysql://`; of the last two several servers, with commas.
    pub url: String,
    /// A server that follows it, for lists, exports and search.
    pub replica: Option<ReplicaOptions>,
    /// Most connections at a time.
    pub connections_max: u32,
    /// Whether the ledger keeps the bodies of applied and ignored webhooks.
    pub keeps_bodies: bool,
    /// Whether it keeps those of ephemeral ones, too.
    pub keeps_ephemeral_bodies: bool,
    /// Whether they are packed and kept apart from the ledger, where an older release does not find them.
    pub packs_bodies: bool,
    /// Of which sessions files are kept.
    pub kept_files: KeptFiles,
    /// Whether PostgreSQL notifies those who listen to the feed.
    pub notifies: bool,
    /// Of a chat that turns out to be another one: so many messages move in one transaction, the rest in steps of
    /// so many. [`MOVED_AT_ONCE`] but in tests.
    pub moved_at_once: u64,
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
        let dialect = Dialect::of(pool.db.get_database_backend());
        let replica = match &options.replica {
            Some(replica) => Some(Replica::open(replica, options.connections_max, &pool.db).await?),
            None => None,
        };
        let notifies = options.notifies && dialect == Dialect::Postgres;
        Ok(Self {
            dialect,
            limit: pool.limit.clone(),
            primary,
            replica,
            clock,
            ids: RowIdCache::default(),
            months: KnownLayout::default(),
            ensuring_contacts: Mutex::new(()),
            turn: Mutex::new(()),
            keeps_bodies: options.keeps_bodies,
            keeps_ephemeral_bodies: options.keeps_ephemeral_bodies,
            packs_bodies: options.packs_bodies,
            dictionaries: Dictionaries::default(),
            dictionary_stored_on: AtomicU64::new(0),
            packed: AtomicU64::new(0),
            kept_files: options.kept_files.clone(),
            moved_at_once: options.moved_at_once,
            file_told: Notify::new(),
            followers: Followers { notifies, ..Followers::default() },
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

    /// Reads from the replica by another URL from now on. An error: it can't be meant.
    pub async fn replace_read_url(&self, url: &str) -> Result<(), ConnectError> {
        match &self.replica {
            Some(replica) => replica.replace_url(url).await,
            None => Ok(()),
        }
    }

    /// How the replica stands, looked at a moment ago at most; none if there is none.
    pub async fn replica(&self) -> Option<ReplicaView> {
        let replica = self.replica.as_ref()?;
        replica.look(&self.pool().db).await;
        Some(replica.view())
    }

    /// The same as it was seen last, at once.
    pub fn last_replica(&self) -> Option<ReplicaView> {
        self.replica.as_ref().map(Replica::view)
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

    /// What a list is read from: the replica, if whoever asks may be told what is some seconds old.
    fn reading(&self) -> Reading<'_> {
        Reading::new(self.replica.as_ref(), self.pool())
    }

    /// Which servers they have led to.
    fn seen(&self) -> SeenServers {
        self.primary.seen()
    }

    /// A transaction that writes. Once it is there, an error must end it.
    async fn begin(&self) -> Result<CheckedTransaction, StoreError> {
        CheckedTransaction::begin(&self.primary.trusted().await?, TransactionPurpose::Write).await
    }

    /// How the ledger is kept, with a part for each of these months. To be asked before the transaction begins.
    async fn month_layout(
        &self,
        needed: impl IntoIterator<Item = i32>,
    ) -> Result<Arc<MonthLayout>, StoreError> {
        let layout = match self.months.get(self.dialect) {
            Some(layout) => layout,
            None => self.read_month_layout().await?,
        };
        let missing = layout.missing(needed);
        if missing.is_empty() {
            return Ok(layout);
        }
        let pool = self.primary.trusted().await?;
        for (table, month) in missing {
            months::add_part(&pool.db, self.dialect, table, month).await?;
        }
        self.read_month_layout().await
    }

    async fn read_month_layout(&self) -> Result<Arc<MonthLayout>, StoreError> {
        let pool = self.primary.trusted().await?;
        let layout = Arc::new(months::read(&pool.db, self.dialect).await?);
        self.months.learn(&layout);
        Ok(layout)
    }

    /// What was known of the ledger's parts is not believed any more, if an error says so.
    fn doubt_months<T>(&self, result: &Result<T, StoreError>) {
        if result.as_ref().is_err_and(StoreError::is_of_layout) {
            self.months.forget();
        }
    }

    /// What statements of a transaction need. Its time is the clock's, and differs from that of the one before
    /// within the millisecond, so that the rows that it changes can be told from those of others.
    fn write_context<'a>(&self, db: &'a CheckedTransaction) -> WriteContext<'a> {
        let number = self.transactions.fetch_add(1, Ordering::Relaxed) % MICROSECONDS;
        let now = self.clock.now() + TimeDelta::microseconds(number);
        WriteContext::new(db, self.dialect, now, self.moved_at_once)
    }

    /// Gives what a transaction changed its place in the feed. Nothing else may be done before the commit.
    async fn append_changes(
        &self,
        context: &WriteContext<'_>,
    ) -> Result<Option<FeedPlace>, StoreError> {
        feed::append(context.db, context.dialect, &context.log, context.now, &self.followers).await
    }

    /// Commits what was given a place in the feed.
    async fn commit_changes(
        &self,
        transaction: CheckedTransaction,
        place: Option<FeedPlace>,
    ) -> Result<(), StoreError> {
        transaction.commit().await?;
        if let Some(place) = place {
            self.followers.seen.learn(place);
        }
        Ok(())
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
