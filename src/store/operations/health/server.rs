//! Which server it is, and how this process is connected to it.

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use crate::store::Store;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

/// Whoever asks may see its own connection.
const POSTGRES: &str = "SELECT current_setting('server_version') AS version, \
     (SELECT version FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()) AS tls, \
     CAST(NULL AS text) AS time_zone";
/// Drivers may set another zone for their own session, as ours does.
const MYSQL: &str = "SELECT CAST(VERSION() AS CHAR) AS version, CAST(NULL AS CHAR) AS tls, \
     CAST(CASE WHEN @@GLOBAL.time_zone = 'SYSTEM' THEN @@system_time_zone ELSE @@GLOBAL.time_zone END AS CHAR) \
     AS time_zone";
const MYSQL_TLS: &str = "SHOW SESSION STATUS LIKE 'Ssl_version'";

/// Replication slots that keep what nobody fetches.
const SLOTS: &str = "SELECT slot_name::text AS name, \
     pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint AS kept_bytes \
     FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL";

/// A server, as it says.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct ServerHealth {
    /// Of its program.
    pub version: String,
    /// How the connection is encrypted; none if it is not.
    pub tls: Option<String>,
    /// Where times without a zone depend on it: that of whoever sets none (MySQL, MariaDB).
    pub time_zone: Option<String>,
}

/// A replication slot that nobody reads.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct IdleSlot {
    /// Its name.
    pub name: String,
    /// What it keeps on the disk, bytes.
    pub kept_bytes: i64,
}

impl ServerHealth {
    /// Whether times that applications let the server write are in another zone than ours.
    pub fn is_elsewhere(&self) -> bool {
        let zone = self.time_zone.as_deref();
        zone.is_some_and(|it| !["UTC", "GMT", "Etc/UTC", "+00:00"].contains(&it))
    }
}

impl Store {
    pub(super) async fn server_health(&self) -> Result<Option<ServerHealth>, StoreError> {
        let question = match self.dialect {
            Dialect::Sqlite => return Ok(None),
            Dialect::Postgres => POSTGRES,
            Dialect::MySql => MYSQL,
        };
        let told: Vec<ServerHealth> = self.told(question).await?;
        let Some(mut server) = told.into_iter().next() else { return Ok(None) };
        if self.dialect == Dialect::MySql {
            server.tls = self.mysql_tls().await?;
        }
        Ok(Some(server))
    }

    /// Of another connection of the pool, which is made alike.
    async fn mysql_tls(&self) -> Result<Option<String>, StoreError> {
        let asked = Statement::from_string(self.dialect.backend(), MYSQL_TLS);
        let Some(row) = self.pool().db.query_one_raw(asked).await? else { return Ok(None) };
        // What `SHOW` tells is text or bytes, by version.
        let bytes = || row.try_get_by_index::<Vec<u8>>(1);
        let told = row
            .try_get_by_index::<String>(1)
            .or_else(|_| bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))?;
        Ok(Some(told).filter(|told| !told.is_empty()))
    }

    /// Only a primary can be asked.
    pub(super) async fn idle_slots(&self) -> Result<Vec<IdleSlot>, StoreError> {
        Ok(self.told(SLOTS).await?)
    }
}
