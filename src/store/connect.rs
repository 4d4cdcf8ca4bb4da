//! Connections: to which server, what it says of itself, and the transactions on them.
//!
//! Called by `Store`, and by all rooms that write in a transaction.
//!
//! Reading order: `pool`, connections to one server, with `release`, how those that come back are looked
//! at; `primary`, which finds the server that takes writes, with `hosts`, `server`, `choose` and `seen`;
//! `transaction`, which alone begins and commits; `replica`, which is read from where that may be; `sqlite_file`, whether SQLite's file is still where it
//! was; `limit` and `relay`.
//!
//! Invariant: what is written goes to a server that takes writes, and counts only if the database says that
//! it committed this very transaction.
//!
//! May import `sql`.

mod choose;
pub(super) mod hosts;
pub(super) mod limit;
pub(super) mod pool;
pub(super) mod primary;
pub mod problem;
mod relay;
mod release;
pub mod replica;
pub(super) mod seen;
pub mod server;
pub mod sqlite_file;
pub(super) mod transaction;

use sea_orm::DbErr;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL names no database we know.
    #[error("database.url must start with sqlite:, postgres: or mysql:")]
    Url,
    /// It names servers that can't be meant.
    #[error("database.url may name up to {0} servers, with a comma between two")]
    Hosts(usize),
    /// It asks for a server that takes no writes.
    #[error("target_session_attrs in database.url must be read-write or primary")]
    SessionAttributes,
    /// Another kind of database than the one that is used, or another file.
    #[error("another kind of database or another file needs a restart")]
    OtherKind,
    /// A replica has another way of speaking than the primary.
    #[error(
        "database.read_url must lead to a replica of database.url, so to the same kind of database"
    )]
    OtherReplica,
    /// It names several servers, or a file.
    #[error("database.read_url must name one server, such as a load balancer of several replicas")]
    ReplicaHosts,
    /// It could not be reached, or refused.
    #[error("the database can't be opened")]
    Database(#[from] DbErr),
}
