//! What a server says of itself: whether it takes writes, and which one it is.
//!
//! Asked of every new connection, and by whoever looks for the server that takes writes. The questions
//! need no right beyond that to connect, and are texts, because no builder of statements knows what servers
//! have to tell of themselves; a server that does not know one has no identity, and all else
//! goes on.

use std::time::Duration;

use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{
    self, ConnectOptions, Connection, Executor, MySqlConnection, PgConnection, Row,
};
use sea_orm::{DbBackend, DbErr, RuntimeErr};

use super::hosts::ServerUrl;
use crate::store::sql::error::StoreError;

/// A server that takes longer to answer is taken for away.
const ANSWER_MAX: Duration = Duration::from_secs(3);

const POSTGRES_STATE: &str =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";
/// The name of a log file begins with the timeline that is written. A checkpoint would tell an older one
/// for a while after a promotion.
const POSTGRES_IDENTITY: &str = "SELECT system_identifier::text || '/' || current_database() || '/' || \
     coalesce(current_schema(), ''), substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) \
     FROM pg_control_system()";
/// `super_read_only` of MySQL sets `read_only` as well.
const MYSQL_STATE: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
     ('hostname', 'port', 'read_only', 'server_id', 'server_uuid')";
const MYSQL_DATABASE: &str = "SELECT coalesce(DATABASE(), '')";

const STANDBY: &str = "it is a standby, which takes no writes: database.url must lead to the primary, or name all \
     servers (postgres://USER:PASSWORD@ONE,TWO/DATABASE)";
const READ_ONLY: &str =
    "it is read-only (default_transaction_read_only): database.url must lead to the primary";
const MYSQL_READ_ONLY: &str = "read_only is set, as on a replica: database.url must lead to the primary, or name all \
     servers (mysql://USER:PASSWORD@ONE,TWO/DATABASE)";

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// Why it takes no writes, with what helps; none if it takes them.
    pub refusal: Option<&'static str>,
    /// Which it is; none if it can't tell, as a standby.
    pub identity: Option<ServerIdentity>,
}

/// Whose rows are there. Two that differ need not have the same ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Of PostgreSQL the cluster, which its standbys share; of MySQL and MariaDB the server. With the
    /// database.
    pub(in crate::store) place: String,
    /// Of PostgreSQL: grows with each promotion.
    pub timeline: Option<u32>,
}

/// Connects and asks.
pub(in crate::store) async fn ask(server: &ServerUrl) -> Result<ServerState, StoreError> {
    match tokio::time::timeout(ANSWER_MAX, connect_and_ask(server)).await {
        Ok(answer) => {
            answer.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())).into())
        }
        Err(_) => Err(StoreError::Timeout(ANSWER_MAX.as_secs())),
    }
}

async fn connect_and_ask(server: &ServerUrl) -> Result<ServerState, sqlx::Error> {
    match server.backend {
        DbBackend::Postgres => {
            let options: PgConnectOptions = server.url.parse()?;
            let mut connection = options.disable_statement_logging().connect().await?;
            let state = of_postgres(&mut connection).await?;
            connection.close().await?;
            Ok(state)
        }
        DbBackend::MySql => {
            let options: MySqlConnectOptions = server.url.parse()?;
            let mut connection = options.disable_statement_logging().connect().await?;
            let state = of_mysql(&mut connection).await?;
            connection.close().await?;
            Ok(state)
        }
        _ => Ok(ServerState { refusal: None, identity: None }),
    }
}

pub(super) async fn of_postgres(connection: &mut PgConnection) -> Result<ServerState, sqlx::Error> {
    let row = connection.fetch_one(POSTGRES_STATE).await?;
    // Its log position can't be asked there.
    if row.try_get(0)? {
        return Ok(ServerState { refusal: Some(STANDBY), identity: None });
    }
    let refusal = row.try_get::<bool, _>(1)?.then_some(READ_ONLY);
    let identity = match connection.fetch_one(POSTGRES_IDENTITY).await {
        Ok(row) => Some(ServerIdentity {
            place: row.try_get(0)?,
            timeline: u32::from_str_radix(row.try_get::<&str, _>(1)?, 16).ok(),
        }),
        // What only speaks like PostgreSQL may not have these functions.
        Err(sqlx::Error::Database(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(ServerState { refusal, identity })
}

pub(super) async fn of_mysql(connection: &mut MySqlConnection) -> Result<ServerState, sqlx::Error> {
    let mut place = String::new();
    let mut refusal = None;
    for row in connection.fetch_all(MYSQL_STATE).await? {
        let name: String = row.try_get_unchecked(0)?;
        let value: String = row.try_get_unchecked(1)?;
        if name.eq_ignore_ascii_case("read_only") {
            refusal = (!is_off(&value)).then_some(MYSQL_READ_ONLY);
        } else {
            place += &format!("{value}/");
        }
    }
    let row = connection.fetch_one(MYSQL_DATABASE).await?;
    place += &row.try_get_unchecked::<String, _>(0)?;
    Ok(ServerState { refusal, identity: Some(ServerIdentity { place, timeline: None }) })
}

/// Whether a setting of MySQL or MariaDB is off, in each way that they say it.
pub(in crate::store) fn is_off(value: &str) -> bool {
    value == "0" || value.eq_ignore_ascii_case("off")
}
