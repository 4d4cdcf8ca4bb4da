//! A connection that one transaction has for itself, and whether it can still be believed.

use std::sync::Arc;

use sea_orm::sea_query::Values;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, MySql, Postgres, Sqlite};
use sea_orm::{DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;

use crate::driver_error::name_foreign_column;
use crate::store::connect::pool::ServerPool;
use crate::store::sql::error::{FileLost, is_outage};

/// A connection on its way through a transaction. Dropped before [`TransactionSession::release`], it is closed.
pub(super) struct TransactionSession {
    connection: DriverConnection,
    /// Where it came from: what it needs lives as long as this.
    pool: Arc<ServerPool>,
    /// Set while a statement runs, and for good if nobody waits for its answer or it is an error.
    is_poisoned: bool,
    /// Whether what poisoned it may be the server's fault: until an answer is there it is.
    is_outage: bool,
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

impl TransactionSession {
    /// Takes a connection from the pool.
    pub(super) async fn acquire(pool: &Arc<ServerPool>) -> Result<Self, DbErr> {
        let connection = DriverConnection::acquire(pool).await.map_err(|error| {
            pool.doubt();
            DbErr::Conn(driver_error(error))
        })?;
        let pool = Arc::clone(pool);
        Ok(Self { connection, pool, is_poisoned: false, is_outage: false, is_released: false })
    }

    /// Nothing more is done with it: the server is not the right one.
    pub(super) fn doubt_server(&self) {
        self.pool.doubt();
    }

    /// An error if what is written goes to a file that nothing leads to any more.
    pub(super) fn check_file(&self) -> Result<(), FileLost> {
        self.pool.check_file()
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
        self.pool.limit.check(&statement)?;
        let head = head(&statement);
        let (sql, values) = parts(statement);
        let done = with_driver!(&mut self.connection, driver => {
            sqlx::query_with(sql, values).execute(&mut **driver).await.map(ExecResult::from)
        });
        self.trusting(done.map_err(|error| name_foreign_column(error, &head)), DbErr::Exec)
    }

    pub(super) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        self.begin_statement()?;
        self.pool.limit.check(&statement)?;
        let head = head(&statement);
        let (sql, values) = parts(statement);
        let row = with_driver!(&mut self.connection, driver => {
            let row = sqlx::query_with(sql, values).fetch_optional(&mut **driver).await;
            row.map(|row| row.map(QueryResult::from))
        });
        self.trusting(row.map_err(|error| name_foreign_column(error, &head)), DbErr::Query)
    }

    pub(super) async fn query_all(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        self.begin_statement()?;
        self.pool.limit.check(&statement)?;
        let head = head(&statement);
        let (sql, values) = parts(statement);
        let rows = with_driver!(&mut self.connection, driver => {
            let rows = sqlx::query_with(sql, values).fetch_all(&mut **driver).await;
            rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
        });
        self.trusting(rows.map_err(|error| name_foreign_column(error, &head)), DbErr::Query)
    }

    /// Until its answer is there the connection is not believed. After an error nothing more is sent:
    /// SQLite may have ended the transaction by itself, and a further statement would be committed alone.
    fn begin_statement(&mut self) -> Result<(), DbErr> {
        if self.is_poisoned {
            return Err(DbErr::Custom(
                "a transaction that saw an error takes no statement".to_owned(),
            ));
        }
        (self.is_poisoned, self.is_outage) = (true, true);
        Ok(())
    }

    /// An answer without an error makes the connection believable again.
    fn trusting<T>(
        &mut self,
        answer: Result<T, sqlx::Error>,
        kind: fn(RuntimeErr) -> DbErr,
    ) -> Result<T, DbErr> {
        let answer = answer.map_err(|error| kind(driver_error(error)));
        self.is_outage = answer.as_ref().is_err_and(is_outage);
        self.is_poisoned = answer.is_err();
        answer
    }
}

impl Drop for TransactionSession {
    fn drop(&mut self) {
        if self.is_outage {
            self.pool.doubt();
        }
        if !self.is_released {
            with_driver!(&mut self.connection, driver => driver.close_on_drop());
        }
    }
}

impl DriverConnection {
    async fn acquire(ServerPool { db, .. }: &ServerPool) -> Result<Self, sqlx::Error> {
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

/// What an error may be about: of an insert, the table and its list of columns.
fn head(statement: &Statement) -> String {
    statement.sql.split_inclusive(')').next().unwrap_or_default().to_owned()
}

fn driver_error(error: sqlx::Error) -> RuntimeErr {
    RuntimeErr::SqlxError(error.into())
}
