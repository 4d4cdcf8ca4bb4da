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
//!
//! The pool looks at what comes back to it once more (`connect/release.rs`), for those who use the
//! connections without this: migrations and single statements.

mod boundary;
mod session;
#[cfg(test)]
mod tests;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};
use tokio::sync::Mutex;

use super::StoreError;
use super::connect::MessageLimit;

use session::Session;

pub(super) use boundary::Purpose;

/// Why nothing was committed although no statement failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A statement failed before, or its answer was not waited for. Our own fault: whoever sees an
    /// error must not commit.
    #[error("a transaction that saw an error can't be committed")]
    Poisoned,
    /// The database had ended the transaction by itself.
    #[error("the database no longer had the transaction that was to be committed")]
    Gone,
}

/// A transaction; dropped, it is rolled back and its connection closed.
pub(super) struct CheckedTransaction {
    backend: DbBackend,
    session: Mutex<Session>,
}

impl CheckedTransaction {
    /// Begins, on a connection of the pool.
    pub(super) async fn begin(
        db: &DatabaseConnection,
        purpose: Purpose,
        limit: &MessageLimit,
    ) -> Result<Self, StoreError> {
        let backend = db.get_database_backend();
        let mut session = Session::acquire(db, limit).await?;
        session.run(boundary::begin(backend, purpose)).await?;
        Ok(Self { backend, session: Mutex::new(session) })
    }

    /// Commits. Unless the answer is Ok nothing can be said about whether it did.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        let mut session = self.session.into_inner();
        if session.is_poisoned() {
            return Err(CommitError::Poisoned.into());
        }
        let answer = session.run(boundary::commit(self.backend)).await?;
        if !boundary::is_committed(self.backend, &answer)? {
            return Err(CommitError::Gone.into());
        }
        session.release();
        Ok(())
    }

    /// Takes back what was done, and keeps the connection. Not needed after an error.
    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        let mut session = self.session.into_inner();
        if !session.is_poisoned() {
            session.run("ROLLBACK").await?;
            session.release();
        }
        Ok(())
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
