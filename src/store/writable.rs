//! Whether the server takes writes, or is a standby or replica that only reads. Asked by `check`, so
//! that nobody points a worker at one: it would hold everything, for ever.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{Store, StoreError};

impl Store {
    /// Why it takes no writes, with what helps; none if it takes them.
    pub async fn refuses_writes(&self) -> Result<Option<&'static str>, StoreError> {
        let backend = self.db.get_database_backend();
        let (sql, column, why) = match backend {
            DbBackend::Postgres => (
                "SELECT CASE WHEN pg_is_in_recovery() THEN 'on' \
                 ELSE current_setting('transaction_read_only') END",
                0,
                "it is a standby or read-only: database.url must lead to the primary",
            ),
            DbBackend::MySql => (
                "SHOW GLOBAL VARIABLES LIKE 'read_only'",
                1,
                "read_only is set, as on a replica: database.url must lead to the primary",
            ),
            _ => return Ok(None),
        };
        let row = self.db.query_one_raw(Statement::from_string(backend, sql)).await?;
        let value = row.map(|row| row.try_get_by_index::<String>(column)).transpose()?;
        Ok(value.filter(|value| !value.eq_ignore_ascii_case("off")).map(|_| why))
    }
}
