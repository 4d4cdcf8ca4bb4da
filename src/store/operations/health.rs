//! What a database says of its own state: how large tables are, what vacuum left, its clock, who follows it.
//!
//! Called by `check` and `monitor`. The questions are texts, because no builder of statements knows the catalogues of
//! servers; each is cheap, and needs no right beyond those of a worker. SQLite keeps no figures of tables: finding
//! them out would read the whole file.
//!
//! Reading order: this file; `indexes`, those that are and those that should be; `growth`; `server`.

mod growth;
mod indexes;
mod server;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult, Statement};

use crate::store::Store;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

pub use growth::GrowthHealth;
pub use indexes::{IndexHealth, IndexRow, MissingIndex};
pub use server::{IdleSlot, ServerHealth};

/// Of PostgreSQL; what is divided is told with all its parts.
const POSTGRES_TABLES: &str = "SELECT r.relname::text AS name, \
     sum(greatest(c.reltuples, 0))::bigint AS rows_about, \
     sum(pg_table_size(c.oid))::bigint AS bytes, sum(pg_indexes_size(c.oid))::bigint AS index_bytes, \
     sum(s.n_dead_tup)::bigint AS dead_rows, \
     max(greatest(s.last_vacuum, s.last_autovacuum)) AS vacuumed_at \
     FROM pg_class c JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid) \
     LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid \
     WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace GROUP BY r.relname";
/// MySQL keeps these figures for a day.
const MYSQL_TABLES: &str = "SELECT CAST(TABLE_NAME AS CHAR) AS name, CAST(TABLE_ROWS AS SIGNED) AS rows_about, \
     CAST(DATA_LENGTH AS SIGNED) AS bytes, CAST(INDEX_LENGTH AS SIGNED) AS index_bytes, \
     CAST(NULL AS SIGNED) AS dead_rows, CAST(NULL AS DATETIME(6)) AS vacuumed_at \
     FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'";
/// Left by building one concurrently that was cut off: written, and never read.
const BROKEN_INDEXES: &str = "SELECT i.indexrelid::regclass::text AS name FROM pg_index i \
     JOIN pg_class c ON c.oid = i.indrelid \
     WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace";
/// Without `pg_monitor` only how many there are is told.
const STANDBYS: &str = "SELECT coalesce(application_name, '') AS name, \
     (extract(epoch FROM replay_lag) * 1000)::bigint AS behind_ms FROM pg_stat_replication";
const POSTGRES_TIME: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms";
const MYSQL_TIME: &str = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000 AS SIGNED) AS ms";

/// What a database says.
#[derive(Clone, Debug, Default)]
pub struct DatabaseHealth {
    /// Our tables, the largest first; none of SQLite.
    pub tables: Vec<TableHealth>,
    /// How the whole grows.
    pub growth: GrowthHealth,
    /// Indexes that are written and never read.
    pub broken_indexes: Vec<String>,
    /// Those that are missing, somebody else's, or unused.
    pub indexes: IndexHealth,
    /// Which server it is; none of SQLite.
    pub server: Option<ServerHealth>,
    /// What keeps its log for nobody.
    pub idle_slots: Vec<IdleSlot>,
    /// Who streams from it.
    pub standbys: Vec<StandbyHealth>,
    /// How far its clock is ahead of ours; none of SQLite, which has ours.
    pub clock: Option<ClockDifference>,
}

/// One table.
#[derive(Clone, Debug, FromQueryResult)]
pub struct TableHealth {
    /// Its name.
    pub name: String,
    /// About how many rows it has.
    pub rows_about: i64,
    /// Without indexes.
    pub bytes: i64,
    /// Of its indexes.
    pub index_bytes: i64,
    /// Versions of rows that nobody sees any more; none where vacuum is not known.
    pub dead_rows: Option<i64>,
    /// When they were last taken away.
    pub vacuumed_at: Option<DateTime<Utc>>,
    /// By how many bytes it grows in a day, with its indexes; none where that was not asked or can't be known.
    #[sea_orm(skip)]
    pub bytes_per_day: Option<i64>,
}

/// A server that streams from this one.
#[derive(Clone, Debug, FromQueryResult)]
pub struct StandbyHealth {
    /// As it calls itself.
    pub name: String,
    /// How far it is behind, ms; none if it has all, or if that is not told.
    pub behind_ms: Option<i64>,
}

/// A clock beside ours.
#[derive(Clone, Copy, Debug)]
pub struct ClockDifference {
    /// How far it is ahead, ms; negative if it is behind.
    pub ahead_ms: i64,
    /// How long it took to ask: it may be so far off from what is told.
    pub asked: Duration,
}

#[derive(FromQueryResult)]
struct IndexName {
    name: String,
}

#[derive(FromQueryResult)]
struct ServerTime {
    ms: i64,
}

impl Store {
    /// What the database says of itself now.
    pub async fn health(&self) -> Result<DatabaseHealth, StoreError> {
        let mut tables = self.table_health().await?;
        let common = DatabaseHealth {
            growth: self.growth_health(&mut tables).await?,
            tables,
            indexes: self.index_health().await?,
            server: self.server_health().await?,
            clock: self.clock_health().await?,
            ..DatabaseHealth::default()
        };
        if self.dialect != Dialect::Postgres {
            return Ok(common);
        }
        let broken: Vec<IndexName> = self.told(BROKEN_INDEXES).await?;
        Ok(DatabaseHealth {
            broken_indexes: broken.into_iter().map(|index| index.name).collect(),
            standbys: self.told(STANDBYS).await?,
            idle_slots: self.idle_slots().await?,
            ..common
        })
    }

    /// How far the server's clock is ahead of ours; none of SQLite.
    pub async fn clock_health(&self) -> Result<Option<ClockDifference>, StoreError> {
        match self.dialect {
            Dialect::Sqlite => Ok(None),
            Dialect::MySql => Ok(Some(self.clock_difference(MYSQL_TIME).await?)),
            Dialect::Postgres => Ok(Some(self.clock_difference(POSTGRES_TIME).await?)),
        }
    }

    /// The size of the whole database, bytes, of whose tables this was told.
    pub async fn database_bytes(&self, tables: &[TableHealth]) -> Result<i64, StoreError> {
        match self.dialect {
            Dialect::Sqlite => self.file_bytes().await,
            _ => Ok(tables.iter().map(|table| table.bytes + table.index_bytes).sum()),
        }
    }

    /// How large our tables are, the largest first; none of SQLite.
    pub async fn table_health(&self) -> Result<Vec<TableHealth>, StoreError> {
        let question = match self.dialect {
            Dialect::Sqlite => return Ok(Vec::new()),
            Dialect::MySql => MYSQL_TABLES,
            Dialect::Postgres => POSTGRES_TABLES,
        };
        let mut tables: Vec<TableHealth> = self.told(question).await?;
        tables.retain(|table| migration::tables().any(|ours| ours == table.name));
        tables.sort_unstable_by_key(|table| -(table.bytes + table.index_bytes));
        Ok(tables)
    }

    /// Counted from the middle of the time that asking takes.
    async fn clock_difference(&self, question: &str) -> Result<ClockDifference, StoreError> {
        let before_ms = self.clock.now_ms();
        let told: Vec<ServerTime> = self.told(question).await?;
        let after_ms = self.clock.now_ms();
        let ours_ms = before_ms.midpoint(after_ms);
        let asked = Duration::from_millis((after_ms - before_ms).unsigned_abs());
        let ahead_ms = told.first().map_or(0, |time| time.ms - ours_ms);
        Ok(ClockDifference { ahead_ms, asked })
    }

    async fn told<T: FromQueryResult>(&self, question: &str) -> Result<Vec<T>, DbErr> {
        let statement = Statement::from_string(self.dialect.backend(), question);
        T::find_by_statement(statement).all(&self.pool().db).await
    }
}
