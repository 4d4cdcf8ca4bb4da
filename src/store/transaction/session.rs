//! A connection that one transaction has for itself, and whether it can still be believed.

use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, MySql, Postgres, Sqlite};
use sea_orm::{
    DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement,
};
use sea_query_sqlx::SqlxValues;

use crate::store::connect::MessageLimit;

/// A connection on its way through a transaction. Dropped before [`Session::release`], it is closed.
pub(super) struct Session {
    connection: DriverConnection,
    limit: MessageLimit,
    /// Set while a statement runs, and for good if nobody waits for its answer or it is an error.
    is_poisoned: bool,
    is_released: bool,
}

enum DriverConnection {
    Postgres(PoolConnection<Postgres>),
    MySql(PoolConnection<MySql>),
    Sqlite(PoolConnection<Sqlite>),
}

/// The same with each driver's types.
macro_rules! with_driver {
    ($connection:expr, $driver:ident => $call:expr) => {
        match $connection {
            DriverConnection::Postgres($driver) => $call,
            DriverConnection::MySql($driver) => $call,
            DriverConnection::Sqlite($driver) => $call,
        }
    };
}

impl Session {
    /// Takes a connection from the pool.
    pub(super) async fn acquire(
        db: &DatabaseConnection,
        limit: &MessageLimit,
    ) -> Result<Self, DbErr> {
        let connection = DriverConnection::acquire(db).await;
        let connection = connection.map_err(|error| DbErr::Conn(driver_error(error)))?;
        Ok(Self { connection, limit: limit.clone(), is_poisoned: false, is_released: false })
    }

    /// Whether a statement failed, or its answer was not waited for.
    pub(super) fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    /// Gives the connection back to the pool, if it can be believed.
    pub(super) fn release(mut self) {
        self.is_released = !self.is_poisoned;
    }

    /// Runs statements without parameters, sent as one message; returns all rows.
    pub(super) async fn run(&mut self, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
        self.begin_statement()?;
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = with_driver!(&mut self.connection, driver => {
            driver.fetch_all(sql).await.map(|rows| rows.into_iter().map(QueryResult::from).collect())
        });
        self.trusting(rows, DbErr::Query)
    }

    /// The same; returns how many rows it changed.
    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        self.begin_statement()?;
        let sql = AssertSqlSafe(sql.to_owned());
        let done = with_driver!(&mut self.connection, driver => {
            driver.execute(sql).await.map(ExecResult::from)
        });
        self.trusting(done, DbErr::Exec)
    }

    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.begin_statement()?;
        self.limit.check(&statement)?;
        let (sql, values) = parts(statement);
        let done = with_driver!(&mut self.connection, driver => {
            sqlx::query_with(sql, values).execute(&mut **driver).await.map(ExecResult::from)
        });
        self.trusting(done, DbErr::Exec)
    }

    pub(super) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        self.begin_statement()?;
        self.limit.check(&statement)?;
        let (sql, values) = parts(statement);
        let row = with_driver!(&mut self.connection, driver => {
            let row = sqlx::query_with(sql, values).fetch_optional(&mut **driver).await;
            row.map(|row| row.map(QueryResult::from))
        });
        self.trusting(row, DbErr::Query)
    }

    pub(super) async fn query_all(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        self.begin_statement()?;
        self.limit.check(&statement)?;
        let (sql, values) = parts(statement);
        let rows = with_driver!(&mut self.connection, driver => {
            let rows = sqlx::query_with(sql, values).fetch_all(&mut **driver).await;
            rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
        });
        self.trusting(rows, DbErr::Query)
    }

    /// Until its answer is there the connection is not believed. After an error nothing more is sent:
    /// SQLite may have ended the transaction by itself, and a further statement would be committed alone.
    fn begin_statement(&mut self) -> Result<(), DbErr> {
        if self.is_poisoned {
            return Err(DbErr::Custom(
                "a transaction that saw an error takes no statement".to_owned(),
            ));
        }
        self.is_poisoned = true;
        Ok(())
    }

    /// An answer without an error makes the connection believable again.
    fn trusting<T>(
        &mut self,
        answer: Result<T, sqlx::Error>,
        kind: fn(RuntimeErr) -> DbErr,
    ) -> Result<T, DbErr> {
        let answer = answer.map_err(|error| kind(driver_error(error)))?;
        self.is_poisoned = false;
        Ok(answer)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_released {
            with_driver!(&mut self.connection, driver => driver.close_on_drop());
        }
    }
}

impl DriverConnection {
    async fn acquire(db: &DatabaseConnection) -> Result<Self, sqlx::Error> {
        Ok(match db.get_database_backend() {
            DbBackend::Postgres => {
                Self::Postgres(db.get_postgres_connection_pool().acquire().await?)
            }
            DbBackend::MySql => Self::MySql(db.get_mysql_connection_pool().acquire().await?),
            _ => Self::Sqlite(db.get_sqlite_connection_pool().acquire().await?),
        })
    }
}

fn parts(statement: Statement) -> (AssertSqlSafe<String>, SqlxValues) {
    let values = statement.values.unwrap_or(Values(Vec::new()));
    (AssertSqlSafe(statement.sql), SqlxValues(values))
}

fn driver_error(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(error.into())
}
