//! The one place that begins, commits and rolls back.
//!
//! The driver's own transactions can't be believed. sqlx 0.9 counts how deep it is instead of asking
//! the database: after SQLite has rolled back by itself, because the disk was full, its next "begin"
//! is a savepoint and its next "commit" commits nothing. It takes PostgreSQL's answer ROLLBACK to a
//! COMMIT for a success, and forgets a BEGIN whose answer nobody waited for. So statements that begin
//! and end are said here, on a connection that is ours alone meanwhile, and:
//!
//! - A transaction is committed only if each of its statements was answered without an error. One that
//!   failed, or whose answer nobody waited for, poisons it.
//! - A commit counts only if the database had this very transaction open (`boundary.rs`).
//! - A connection whose transaction did not end well is closed, never used again: what state it is in
//!   is not reasoned about. The database rolls back when it ends.
//! - A commit of SQLite counts only if the path leads to the file that it went to, before and after it
//!   (`sqlite_file`).
//! - A commit that gets no answer is given up after [`COMMIT_MAX`]: one that waits for a synchronous
//!   standby that is away would wait for ever.
//!
//! The pool looks at what comes back to it once more (`connect/release.rs`), for those who use the
//! connections without this: migrations and single statements.

mod boundary;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, ExecResult, QueryResult, Statement};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::pool::ServerPool;
use crate::store::feed::{ChangeLog, FollowedTable};
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::{COMMIT_MAX, CommitError, StoreError};
use crate::store::sql::merging::Merging;

use crate::store::sql::upsert::{UPDATED_AT, Upsert};

use session::TransactionSession;

pub(in crate::store) use boundary::TransactionPurpose;

/// A transaction; dropped, it is rolled back and its connection closed.
pub(in crate::store) struct CheckedTransaction {
    backend: DbBackend,
    session: Mutex<TransactionSession>,
}

impl CheckedTransaction {
    /// Begins, on a connection of the pool.
    pub(in crate::store) async fn begin(
        pool: &Arc<ServerPool>,
        purpose: TransactionPurpose,
    ) -> Result<Self, StoreError> {
        let backend = pool.db.get_database_backend();
        let mut session = TransactionSession::acquire(pool).await?;
        let answer = session.run(boundary::begin(backend, purpose)).await?;
        if boundary::is_read_only(backend, &answer)? {
            session.doubt_server();
            return Err(StoreError::ReadOnly);
        }
        Ok(Self { backend, session: Mutex::new(session) })
    }

    /// Commits. Unless the answer is Ok nothing can be said about whether it did.
    pub(in crate::store) async fn commit(self) -> Result<(), StoreError> {
        let mut session = self.session.into_inner();
        if session.is_poisoned() {
            return Err(CommitError::Poisoned.into());
        }
        session.check_file()?;
        let commit = session.run(boundary::commit(self.backend));
        let answer = timeout(COMMIT_MAX, commit).await.map_err(|_| CommitError::Unanswered)??;
        if !boundary::is_committed(self.backend, &answer)? {
            return Err(CommitError::Gone.into());
        }
        // In between it may have been removed.
        session.check_file()?;
        session.release();
        Ok(())
    }

    /// Takes back what was done, and keeps the connection. Not needed after an error.
    pub(in crate::store) async fn rollback(self) -> Result<(), StoreError> {
        let mut session = self.session.into_inner();
        if !session.is_poisoned() {
            session.run("ROLLBACK").await?;
            session.release();
        }
        Ok(())
    }
}

/// A transaction that writes, with what its statements need to know.
pub(in crate::store) struct WriteContext<'a> {
    pub(in crate::store) db: &'a CheckedTransaction,
    pub(in crate::store) dialect: Dialect,
    /// The time of writing, in all rows.
    pub(in crate::store) now: DateTime<Utc>,
    /// What it has changed so far of what applications see.
    pub(in crate::store) log: ChangeLog,
    /// Of a chat that turns out to be another one: so many messages move in one transaction.
    pub(in crate::store) moved_at_once: u64,
    /// Whether history is read again.
    rereads: bool,
}

impl<'a> WriteContext<'a> {
    pub(in crate::store) fn new(
        db: &'a CheckedTransaction,
        dialect: Dialect,
        now: DateTime<Utc>,
        moved_at_once: u64,
    ) -> Self {
        Self { db, dialect, now, log: ChangeLog::default(), moved_at_once, rereads: false }
    }

    /// For webhooks that a newer normalizer reads again.
    pub(in crate::store) fn rereading(self) -> Self {
        Self { rereads: true, ..self }
    }

    /// How what webhooks tell merges with what is stored.
    pub(in crate::store) fn merging(&self) -> Merging {
        if self.rereads { Merging::of_history(self.dialect) } else { self.dialect.into() }
    }

    /// Writes rows of a table that applications follow.
    pub(in crate::store) async fn write<E: EntityTrait>(
        &self,
        table: &FollowedTable,
        upsert: &Upsert<E>,
        rows: Vec<E::ActiveModel>,
    ) -> Result<(), DbErr> {
        let columns: Vec<&str> = table.columns().collect();
        let changed = upsert.run_changed(self.db, rows, &columns, self.now).await?;
        self.log.add(table, &changed)
    }

    /// Adds to the changes which of these rows the transaction has written, by an UPDATE.
    pub(in crate::store) async fn log_written(
        &self,
        table: &FollowedTable,
        which: Cond,
    ) -> Result<(), DbErr> {
        let mut select = Query::select();
        select
            .columns(table.columns().map(Alias::new))
            .from(Alias::new(table.kind.table()))
            .cond_where(which)
            .and_where(Expr::col(Alias::new(UPDATED_AT)).eq(self.now_value()));
        self.log.add(table, &self.db.query_all(&select).await?)
    }

    /// The time of writing, as an expression.
    pub(in crate::store) fn now_value(&self) -> Expr {
        Expr::val(self.dialect.bind(self.now.into()))
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for CheckedTransaction {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.session.lock().await.execute(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.session.lock().await.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.session.lock().await.query_one(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.session.lock().await.query_all(statement).await
    }
}
