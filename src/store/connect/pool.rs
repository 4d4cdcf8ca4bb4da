//! Opens a pool of connections to one server: time-outs, SQLite's settings, what new connections are
//! asked, and how those that come back are looked at.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::sqlx;
use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::pool::PoolOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr};
use tokio::time::timeout;

use super::hosts::ServerUrl;
use super::limit::MessageLimit;
use super::relay::Relay;
use super::seen::SeenServers;
use super::sqlite_file::{SqliteFile, file_of};
use super::{ConnectError, release};
use crate::store::sql::error::FileLost;
use crate::telemetry::cause::Causes;

/// How long a worker waits for a connection before it takes the database for away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection that comes back may take to answer. A statement that was cut off in the middle of
/// a packet leaves a connection of MySQL's driver that waits for a rest that never comes, and a connection
/// that waits is one that the pool has no more.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);
/// The name of a relay's socket.
const MYSQL_SOCKET: &str = "mysql.sock";
/// Prepared statements that a connection keeps: an upsert has one for each power of two of rows.
const STATEMENTS_KEPT: usize = 400;
/// How long SQLite waits for another process's write.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What all pools of a store have in common.
#[derive(Clone)]
pub(in crate::store) struct PoolSettings {
    pub(in crate::store) connections_max: u32,
    pub(in crate::store) limit: MessageLimit,
    /// Of this very pool.
    pub(in crate::store) seen: SeenServers,
    /// Whether SQLite's file is made if it is not there.
    pub(in crate::store) makes_file: bool,
}

/// Connections to one server.
pub(in crate::store) struct ServerPool {
    pub(in crate::store) db: DatabaseConnection,
    #[expect(dead_code, reason = "connections live as long as it does")]
    relay: Option<Relay>,
    pub(in crate::store) limit: MessageLimit,
    /// Of SQLite.
    pub(super) file: Option<SqliteFile>,
    /// Set when a use failed in a way that another server may be the right one by now.
    is_doubted: AtomicBool,
}

impl ServerPool {
    /// Prepares connections, made when they are needed. SQLite's file is opened at once.
    pub(in crate::store) async fn open(
        server: &ServerUrl,
        settings: &PoolSettings,
    ) -> Result<Arc<Self>, ConnectError> {
        let file = match server.backend {
            DbBackend::Sqlite => open_file(&server.url, settings.makes_file).await?,
            _ => None,
        };
        let mut connect = ConnectOptions::new(server.url.clone());
        let relay = match server.backend {
            DbBackend::Postgres => postgres(&server.url, &mut connect)?,
            DbBackend::MySql => mysql(&server.url, &mut connect)?,
            _ => None,
        };
        connect
            .max_connections(settings.connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_timeout(ACQUIRE_TIMEOUT)
            .sqlx_logging(false)
            // A server that is away at start is an outage like any other: intake goes on.
            .connect_lazy(true)
            .map_sqlx_sqlite_opts(|sqlite| sqlite_options(sqlite, false));
        distrust(&mut connect, settings);
        let db = Database::connect(connect).await?;
        let limit = settings.limit.clone();
        Ok(Arc::new(Self { db, relay, limit, file, is_doubted: AtomicBool::new(false) }))
    }

    /// An error if SQLite's file is not where it was: what is written now is lost with the process.
    pub(in crate::store) fn check_file(&self) -> Result<(), FileLost> {
        self.file.as_ref().and_then(SqliteFile::lost).map_or(Ok(()), Err)
    }

    /// Where SQLite's file is.
    pub(in crate::store) fn folder(&self) -> Option<PathBuf> {
        Some(self.file.as_ref()?.path().parent()?.to_owned())
    }

    /// Whether SQLite's file has to be opened again to be written.
    pub(super) fn is_file_writable_again(&self) -> bool {
        self.file.as_ref().is_some_and(SqliteFile::is_writable_again)
    }

    /// Closes all connections to SQLite's file. An error: somebody still uses one.
    pub(super) async fn close_file(&self) -> Result<(), DbErr> {
        let closing = self.db.get_sqlite_connection_pool().close();
        let closed = timeout(ACQUIRE_TIMEOUT, closing).await;
        closed.map_err(|_| driver(sqlx::Error::PoolTimedOut))?;
        match &self.file {
            Some(file) => file.close().await.map_err(driver),
            None => Ok(()),
        }
    }

    /// A use failed: whoever writes next looks first whether another server takes writes.
    pub(in crate::store) fn doubt(&self) {
        self.is_doubted.store(true, Ordering::Release);
    }

    /// It is the right one.
    pub(in crate::store) fn trust(&self) {
        self.is_doubted.store(false, Ordering::Release);
    }

    pub(in crate::store) fn is_doubted(&self) -> bool {
        self.is_doubted.load(Ordering::Acquire)
    }
}

/// Memory is no file, and gone when its connection is closed.
async fn open_file(url: &str, makes_file: bool) -> Result<Option<SqliteFile>, ConnectError> {
    if file_of(url).is_none() {
        return Ok(None);
    }
    let options: SqliteConnectOptions = url.parse().map_err(driver)?;
    Ok(SqliteFile::open(&sqlite_options(options, makes_file)).await.map_err(driver)?)
}

fn sqlite_options(sqlite: SqliteConnectOptions, makes_file: bool) -> SqliteConnectOptions {
    // FULL: what is acked on the queue must not vanish from the tables in a power cut.
    sqlite
        .statement_cache_capacity(STATEMENTS_KEPT)
        .create_if_missing(makes_file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(SQLITE_BUSY_TIMEOUT)
        .foreign_keys(true)
}

/// Has the pool look at each connection that is taken and comes back, and new ones ask what they lead to
/// and what the server takes.
fn distrust(connect: &mut ConnectOptions, settings: &PoolSettings) {
    connect.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| Box::pin(release::is_sqlite_at_rest(connection)))
    });
    let seen = settings.seen.clone();
    connect.map_sqlx_postgres_pool_opts(move |pool| {
        let new = seen.clone();
        keep_present(pool, &seen, |connection| Box::pin(release::is_postgres_at_rest(connection)))
            .after_connect(move |connection, _| Box::pin(new.clone().identify_postgres(connection)))
    });
    let (seen, limit) = (settings.seen.clone(), settings.limit.clone());
    connect.map_sqlx_mysql_pool_opts(move |pool| {
        let (limit, new) = (limit.clone(), seen.clone());
        keep_present(pool, &seen, |connection| Box::pin(release::is_mysql_at_rest(connection)))
            .after_connect(move |connection, _| {
                let (limit, seen) = (limit.clone(), new.clone());
                Box::pin(async move {
                    limit.ask(connection).await?;
                    seen.identify_mysql(connection).await
                })
            })
    });
}

/// Whether a connection is at rest.
type AtRest<DB> = for<'a> fn(
    &'a mut <DB as sqlx::Database>::Connection,
) -> BoxFuture<'a, Result<bool, sqlx::Error>>;

/// Has a pool close connections to a former server, and those that do not come back at rest.
fn keep_present<DB: sqlx::Database>(
    pool: PoolOptions<DB>,
    seen: &SeenServers,
    is_at_rest: AtRest<DB>,
) -> PoolOptions<DB> {
    let [taken, back] = [(); 2].map(|()| seen.clone());
    pool.before_acquire(move |_, meta| {
        let is_kept = !taken.is_outdated(meta.age);
        Box::pin(async move { Ok(is_kept) })
    })
    .after_release(move |connection, meta| {
        let is_kept = !back.is_outdated(meta.age);
        let rests = timeout(RELEASE_TIMEOUT, is_at_rest(connection));
        Box::pin(async move {
            let rests = rests.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
            Ok(is_kept && rests)
        })
    })
}

fn postgres(url: &str, connect: &mut ConnectOptions) -> Result<Option<Relay>, ConnectError> {
    let server: PgConnectOptions = url.parse().map_err(driver)?;
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

fn mysql(url: &str, connect: &mut ConnectOptions) -> Result<Option<Relay>, ConnectError> {
    let server: MySqlConnectOptions = url.parse().map_err(driver)?;
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

pub(super) fn driver(error: sqlx::Error) -> DbErr {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into()))
}
