//! How far replicas are behind: what deletes many rows waits for them.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::store::Store;
use crate::store::sql::error::StoreError;

/// By time where it is known, and of the slowest. A standby that has caught up tells none.
const POSTGRES: &str = "SELECT CAST(EXTRACT(EPOCH FROM MAX(replay_lag)) * 1000 AS BIGINT) AS ms \
                        FROM pg_stat_replication";

impl Store {
    /// How long the slowest replica takes to follow; none if none is known to be behind. PostgreSQL tells it
    /// to members of `pg_read_all_stats`; a primary of MySQL or MariaDB does not know it.
    pub async fn replica_lag(&self) -> Result<Option<Duration>, StoreError> {
        if self.dialect.backend() != DbBackend::Postgres {
            return Ok(None);
        }
        let asked = Statement::from_string(DbBackend::Postgres, POSTGRES);
        let row = self.pool().db.query_one_raw(asked).await?;
        let ms: Option<i64> = row.map(|row| row.try_get("", "ms")).transpose()?.flatten();
        Ok(ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis))
    }
}
