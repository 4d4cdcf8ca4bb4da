//! The tables: everything that reads or writes them, and the only module that knows the database.
//!
//! Called by `worker` (apply, dead letters), `cli`, `desk` and `replay`. A plain struct over SeaORM, which
//! covers SQLite, PostgreSQL and MySQL/MariaDB; what differs between them is in `store/dialect.rs`.

pub mod apply;
mod arrays;
pub mod audit;
mod chats;
mod chunk;
mod clocks;
mod connect;
mod counts;
pub mod dead_letter;
mod dialect;
mod error;
mod fence;
pub mod history;
mod hold;
mod ids;
pub mod job;
mod ledger;
mod loggable;
mod people;
mod probe;
pub mod processes;
mod relocate;
mod retention;
mod rows;
mod select;
pub mod sessions;
mod settle;
pub mod settlement;
pub mod totals;
mod transaction;
mod upsert;
mod writable;
mod write;

use std::sync::Arc;

use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{Mutex, MutexGuard};

use crate::clock::Clock;

pub use apply::{Applied, Outcome, Task};
pub use clocks::SourceClock;
pub use connect::{ConnectError, MessageTooLong};
pub use error::{ErrorClass, StoreError};
pub use transaction::CommitError;

pub(crate) use chunk::parts;
pub(crate) use hold::hold;
pub(crate) use loggable::loggable;

use connect::{Connected, MessageLimit, Relay};
use dialect::Dialect;
use ids::Ids;
use transaction::{CheckedTransaction, Purpose};

/// A connection to the tables.
pub struct Store {
    db: DatabaseConnection,
    #[expect(dead_code, reason = "connections live as long as it does")]
    relay: Option<Relay>,
    limit: MessageLimit,
    dialect: Dialect,
    clock: Arc<dyn Clock>,
    /// Database ids of sessions and chats that were seen committed.
    ids: Ids,
    /// New rows are made by one at a time: in a crowd of new people, two would wait for one another.
    meeting: Mutex<()>,
    /// SQLite has one writer at a time: waiting here is fair, its busy handler is not.
    turn: Mutex<()>,
    keeps_bodies: bool,
    keeps_ephemeral_bodies: bool,
}

/// How a store is opened.
pub struct StoreOptions {
    /// `sqlite://`, `postgres://` or `mysql://`.
    pub url: String,
    /// Most connections at a time.
    pub connections_max: u32,
    /// Whether the ledger keeps the bodies of applied and ignored webhooks.
    pub keeps_bodies: bool,
    /// Whether it keeps those of ephemeral ones, too.
    pub keeps_ephemeral_bodies: bool,
}

impl Store {
    /// Connects; does not migrate.
    pub async fn open(options: &StoreOptions, clock: Arc<dyn Clock>) -> Result<Self, ConnectError> {
        let Connected { db, relay, limit } = connect::connect(options).await?;
        Ok(Self {
            dialect: Dialect::of(db.get_database_backend()),
            db,
            relay,
            limit,
            clock,
            ids: Ids::default(),
            meeting: Mutex::new(()),
            turn: Mutex::new(()),
            keeps_bodies: options.keeps_bodies,
            keeps_ephemeral_bodies: options.keeps_ephemeral_bodies,
        })
    }

    /// The connection, for migrations and tests.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.db
    }

    /// Forgets the cached ids of rows: needed after rows were deleted by hand.
    pub fn forget_ids(&self) {
        self.ids.forget();
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.db.ping().await?)
    }

    /// Bytes of the longest statement that the server takes, as the newest connection was told; none
    /// where there is no limit that a body could reach.
    pub fn message_bytes_max(&self) -> Option<usize> {
        self.limit.bytes()
    }

    /// A transaction that writes. Once it is there, an error must end it.
    async fn begin(&self) -> Result<CheckedTransaction, StoreError> {
        CheckedTransaction::begin(&self.db, Purpose::Write, &self.limit).await
    }

    /// A transaction in which all that is read is of one moment.
    async fn snapshot(&self) -> Result<CheckedTransaction, StoreError> {
        CheckedTransaction::begin(&self.db, Purpose::Snapshot, &self.limit).await
    }

    /// The right to write; immediate except on SQLite.
    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.db.get_database_backend() {
            DbBackend::Sqlite => Some(self.turn.lock().await),
            _ => None,
        }
    }
}
