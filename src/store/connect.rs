//! Opening a database: pool, time-outs, and SQLite's settings.

use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

use super::StoreOptions;

/// How long a worker waits for a connection before it takes the database for away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long SQLite waits for another process's write.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL names no database we know.
    #[error("database.url must start with sqlite:, postgres: or mysql:")]
    Url,
    /// It could not be reached, or refused.
    #[error("the database can't be opened")]
    Database(#[from] DbErr),
}

/// Prepares connections, made when they are needed; makes the file of a new SQLite database.
pub(super) async fn connect(options: &StoreOptions) -> Result<DatabaseConnection, ConnectError> {
    let known = ["sqlite:", "postgres:", "postgresql:", "mysql:", "mariadb:"];
    if !known.iter().any(|scheme| options.url.starts_with(scheme)) {
        return Err(ConnectError::Url);
    }
    let mut connect = ConnectOptions::new(options.url.clone());
    connect
        .max_connections(options.connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        // A server that is away at start is an outage like any other: intake goes on.
        .connect_lazy(true)
        .map_sqlx_sqlite_opts(|sqlite| {
            // FULL: what is acked on the queue must not vanish from the tables in a power cut.
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
                .foreign_keys(true)
        });
    Ok(Database::connect(connect).await?)
}
