//! How a transaction begins and ends on each database, and how each shows that a commit was one.
//!
//! - **SQLite**: BEGIN fails within a transaction and COMMIT without one. IMMEDIATE, because a reader
//!   can't become a writer once another has written.
//! - **PostgreSQL**: COMMIT never fails, whether the transaction was aborted or there was none. But what
//!   SET LOCAL says holds as long as the transaction and no longer, and asking for it fails in an
//!   aborted one; a statement that fails takes the COMMIT of the same message with it.
//! - **MySQL and MariaDB**: COMMIT without a transaction succeeds. But a savepoint lasts as long as its
//!   transaction, and releasing one that is gone fails, before the COMMIT of the same message.
//!
//! A replica of MySQL or MariaDB takes the writes of administrators, so it is asked. A PostgreSQL that waits
//! for a lock does not notice that nobody waits for it any more, so it is told for how long.

use sea_orm::{DbBackend, DbErr, QueryResult};

use crate::store::connect::server::is_off;

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum TransactionPurpose {
    /// Each statement sees what others have committed: an upsert that waited for another worker's
    /// row must find it. SQLite has one writer and knows no levels.
    Write,
    /// All statements see the same moment, and write nothing.
    Snapshot,
}

/// One message for the database.
pub(super) fn begin(backend: DbBackend, purpose: TransactionPurpose) -> &'static str {
    match (backend, purpose) {
        (DbBackend::Postgres, TransactionPurpose::Write) => {
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL waha_ingest.transaction = 'open'; \
             SET LOCAL lock_timeout = '30s'"
        }
        (DbBackend::Postgres, TransactionPurpose::Snapshot) => {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        }
        (DbBackend::MySql, TransactionPurpose::Write) => {
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION; \
             SAVEPOINT waha_ingest; SELECT CAST(@@GLOBAL.read_only AS CHAR) AS read_only"
        }
        (DbBackend::MySql, TransactionPurpose::Snapshot) => {
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION READ ONLY"
        }
        (_, TransactionPurpose::Write) => "BEGIN IMMEDIATE",
        (_, TransactionPurpose::Snapshot) => "BEGIN",
    }
}

/// Whether the answer to a beginning says that the server is to be written to by administrators alone.
pub(super) fn is_read_only(backend: DbBackend, answer: &[QueryResult]) -> Result<bool, DbErr> {
    if backend != DbBackend::MySql {
        return Ok(false);
    }
    let told = answer.first().map(|row| row.try_get::<String>("", "read_only")).transpose()?;
    Ok(told.is_some_and(|told| !is_off(&told)))
}

/// One message, whose answer [`is_committed`] judges.
pub(super) fn commit(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => {
            "SELECT coalesce(current_setting('waha_ingest.transaction', true), '') AS transaction; \
             COMMIT"
        }
        DbBackend::MySql => "RELEASE SAVEPOINT waha_ingest; COMMIT",
        _ => "COMMIT",
    }
}

/// Whether the answer shows that the transaction was still there. Where the databases would have
/// failed otherwise, an answer is enough.
pub(super) fn is_committed(backend: DbBackend, answer: &[QueryResult]) -> Result<bool, DbErr> {
    if backend != DbBackend::Postgres {
        return Ok(true);
    }
    let told = answer.first().map(|row| row.try_get::<String>("", "transaction")).transpose()?;
    Ok(told.is_some_and(|told| told == "open"))
}
