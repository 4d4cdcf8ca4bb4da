//! One migration run at a time: two replicas that start together must not create the same tables
//! side by side. Called by `up` and `down`.
//!
//! The lock lives on the connection that also migrates, so a pool of one connection is enough and
//! a process that dies gives the lock back with its connection.

use std::fmt::Write;
use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use sha1::{Digest, Sha1};

use crate::error::MigrateError;

/// How long to wait for the other one. Generous, because it may be rewriting a large table. SQLite
/// waits as long as its connection's busy timeout instead.
const WAIT_MAX: Duration = Duration::from_mins(5);

/// Any number will do as long as nothing else in the database uses it: "waha" and "inge" in ASCII.
const POSTGRES_LOCK_KEY: i64 = 0x7761_6861_696e_6765;

/// The right to migrate. On PostgreSQL and SQLite the whole run is one transaction: it happens or
/// it does not. MySQL commits after every statement; there it is only the connection that holds
/// the lock. A turn that is dropped instead of ended rolls back, but on MySQL keeps the lock until
/// its connection is closed.
pub(crate) struct Turn {
    transaction: DatabaseTransaction,
    /// The name of the lock on MySQL and MariaDB.
    mysql_lock: Option<String>,
}

impl Turn {
    /// Waits for the right to migrate.
    pub(crate) async fn wait(db: &DatabaseConnection) -> Result<Self, MigrateError> {
        let options = TransactionOptions {
            // A deferred transaction would read first and then fail to become a writer.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = db.begin_with_options(options).await?;
        let mut turn = Self { transaction, mysql_lock: None };
        match db.get_database_backend() {
            DbBackend::Postgres => turn.lock_postgres().await?,
            DbBackend::MySql => turn.lock_mysql().await?,
            // The immediate transaction is the lock.
            DbBackend::Sqlite | _ => {}
        }
        Ok(turn)
    }

    /// Where to migrate.
    pub(crate) fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    /// Keeps or takes back what was done, and lets the next one in.
    pub(crate) async fn end(self, result: Result<(), MigrateError>) -> Result<(), MigrateError> {
        let released = self.unlock_mysql().await;
        if let Err(error) = result {
            // The first error explains more than a failing rollback, which the server does anyway
            // when the connection ends.
            let _ = self.transaction.rollback().await;
            return Err(error);
        }
        self.transaction.commit().await?;
        Ok(released?)
    }

    /// Held until the transaction ends. The limit also keeps a migration that waits for a table
    /// from stopping all traffic behind it for longer.
    async fn lock_postgres(&self) -> Result<(), DbErr> {
        let seconds = WAIT_MAX.as_secs();
        let sql = format!(
            "SET LOCAL lock_timeout = '{seconds}s'; \
             SELECT pg_advisory_xact_lock({POSTGRES_LOCK_KEY})"
        );
        self.transaction.execute_unprepared(&sql).await?;
        Ok(())
    }

    async fn lock_mysql(&mut self) -> Result<(), MigrateError> {
        let seconds = WAIT_MAX.as_secs();
        let name = self.mysql_lock_name().await?;
        let sql = format!("SELECT CAST(GET_LOCK('{name}', {seconds}) AS SIGNED)");
        let statement = Statement::from_string(DbBackend::MySql, sql);
        let row = self.transaction.query_one_raw(statement).await?;
        let locked = row.map(|row| row.try_get_by_index::<Option<i64>>(0)).transpose()?.flatten();
        if locked != Some(1) {
            return Err(MigrateError::Busy(seconds));
        }
        self.mysql_lock = Some(name);
        Ok(())
    }

    /// Locks of MySQL belong to the server, so the name holds the database, hashed because it has at
    /// most 64 characters. It is the name that older releases let the server make: they and this one
    /// wait for each other.
    async fn mysql_lock_name(&self) -> Result<String, DbErr> {
        let statement = Statement::from_string(DbBackend::MySql, "SELECT CAST(DATABASE() AS CHAR)");
        let row = self.transaction.query_one_raw(statement).await?;
        let database = row.map(|row| row.try_get_by_index::<Option<String>>(0)).transpose()?;
        let mut name = "waha_ingest.".to_owned();
        for byte in Sha1::digest(database.flatten().unwrap_or_default().as_bytes()) {
            let _ = write!(name, "{byte:02x}");
        }
        Ok(name)
    }

    async fn unlock_mysql(&self) -> Result<(), DbErr> {
        let Some(name) = &self.mysql_lock else { return Ok(()) };
        self.transaction.execute_unprepared(&format!("DO RELEASE_LOCK('{name}')")).await?;
        Ok(())
    }
}
