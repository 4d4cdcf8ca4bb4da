//! Opening a database: pool, time-outs, and SQLite's settings.

mod limit;
mod relay;
mod release;

use std::time::Duration;

use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

use super::StoreOptions;

use crate::telemetry::cause::Causes;

pub(super) use limit::MessageLimit;
pub use limit::MessageTooLong;
pub(super) use relay::Relay;

/// How long a worker waits for a connection before it takes the database for away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// The name of a relay's socket.
const MYSQL_SOCKET: &str = "mysql.sock";
/// Prepared statements that a connection keeps: an upsert has one for each power of two of rows.
const STATEMENTS_KEPT: usize = 400;
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

/// Connections, and what belongs to them.
pub(super) struct Connected {
    pub(super) db: DatabaseConnection,
    /// They need it, if there is one.
    pub(super) relay: Option<Relay>,
    pub(super) limit: MessageLimit,
}

/// Prepares connections, made when they are needed; makes the file of a new SQLite database.
pub(super) async fn connect(options: &StoreOptions) -> Result<Connected, ConnectError> {
    let mut connect = ConnectOptions::new(options.url.clone());
    let relay = match options.url.split(':').next() {
        Some("sqlite") => None,
        Some("postgres" | "postgresql") => postgres(options, &mut connect)?,
        Some("mysql" | "mariadb") => mysql(options, &mut connect)?,
        _ => return Err(ConnectError::Url),
    };
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
                .statement_cache_capacity(STATEMENTS_KEPT)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
                .foreign_keys(true)
        });
    let limit = MessageLimit::unknown();
    distrust(&mut connect, &limit);
    Ok(Connected { db: Database::connect(connect).await?, relay, limit })
}

/// Has the pool look at each connection that comes back, and new ones ask what the server takes.
fn distrust(connect: &mut ConnectOptions, limit: &MessageLimit) {
    let limit = limit.clone();
    connect
        .map_sqlx_sqlite_pool_opts(|pool| {
            pool.after_release(|connection, _| Box::pin(release::is_sqlite_at_rest(connection)))
        })
        .map_sqlx_postgres_pool_opts(|pool| {
            pool.after_release(|connection, _| Box::pin(release::is_postgres_at_rest(connection)))
        })
        .map_sqlx_mysql_pool_opts(move |pool| {
            let limit = limit.clone();
            pool.after_connect(move |connection, _| Box::pin(limit.clone().ask(connection)))
                .after_release(|connection, _| Box::pin(release::is_mysql_at_rest(connection)))
        });
}

fn postgres(
    options: &StoreOptions,
    connect: &mut ConnectOptions,
) -> Result<Option<Relay>, ConnectError> {
    let server: PgConnectOptions = options.url.parse().map_err(driver)?;
    if server.get_socket().is_some() || server.get_host().starts_with('/') {
        return Ok(None);
    }
    let name = format!(".s.PGSQL.{}", server.get_port());
    let relay = relay(server.get_host(), server.get_port(), &name);
    if let Some(relay) = &relay {
        let folder = relay.folder().to_owned();
        connect.map_sqlx_postgres_opts(move |server| server.socket(&folder));
    }
    Ok(relay)
}

fn mysql(
    options: &StoreOptions,
    connect: &mut ConnectOptions,
) -> Result<Option<Relay>, ConnectError> {
    let server: MySqlConnectOptions = options.url.parse().map_err(driver)?;
    if server.get_socket().is_some() {
        return Ok(None);
    }
    let relay = relay(server.get_host(), server.get_port(), MYSQL_SOCKET);
    if let Some(relay) = &relay {
        let socket = relay.socket(MYSQL_SOCKET);
        connect.map_sqlx_mysql_opts(move |server| {
            server.socket(&socket).statement_cache_capacity(STATEMENTS_KEPT)
        });
    }
    Ok(relay)
}

/// Without one everything works, slower.
fn relay(host: &str, port: u16, name: &str) -> Option<Relay> {
    Relay::open(host, port, name)
        .inspect_err(|error| {
            tracing::warn!(error = %Causes(error), "no folder for temporary files: large statements will be slow");
        })
        .ok()
}

fn driver(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()))
}
