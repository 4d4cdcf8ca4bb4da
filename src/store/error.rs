//! What a database error means for the webhooks in hand: hold them, try again, split, or give up.
//!
//! What no webhook can cause is no webhook's fault: an outage, however long it takes, and no attempt
//! is used. What the values of one webhook can cause must not stop the others. What is not known, or
//! can be our own mistake, is tried again, apart from the others, until the attempts are used up.
//!
//! | | PostgreSQL (SQLSTATE, appendix A) | MySQL and MariaDB (error numbers) | SQLite (result codes) |
//! | --- | --- | --- | --- |
//! | **Outage**: away, cut off | 08 | 1042, 1043, 1047, 1081, 1152, 1154–1161, 1184, 1835, 2006, 2013 | PROTOCOL |
//! | may not | 0L, 0P, 28, 2B, 42501 | 1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1370, 1698, 1820, 1862, 3118, 4151 | PERM, AUTH |
//! | full, or out of something | 53 | 1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1226, 1461, 1637, 1878 | FULL, NOMEM, NOLFS |
//! | read-only | 25006 | 1036, 1223, 1290, 1792, 1836, 1874, 3100 | READONLY |
//! | not as it was migrated | 0A, 3D, 3F, 42 without 42601 | 1046, 1049, 1051, 1054, 1109, 1146, 1267, 1305, 1356, 1364, 1412, 1932 | SCHEMA, ERROR "no such …" |
//! | busy, in conflict | 40 without 40002, 55 | 1020, 1205, 1213, 1614, 1615, 1689, 3572 | BUSY, LOCKED |
//! | somebody stops it | 57 | 1053, 1077–1080, 1317, 1927, 1969, 3024, 3168, 3169, 4031 | ABORT, INTERRUPT |
//! | disk or server fails | 58, F0, 72, HV | 1004, 1015–1018, 1023–1027, 1030, 1033, 1180, 1181 | IOERR, CANTOPEN, NOTADB |
//! | the session is not what it was | 0B, 24, 25, 26, 2D, 34, 3B | 1179, 1243, 1568 | ERROR "… transaction …" |
//! | **Too large**: for one message, row, index or transaction | 54 | 1118, 1153, 1162, 1197, 1301, 1390, 1436, 1713 | TOOBIG |
//! | **Permanent**: the values contradict the schema | 22, 23502, 23514, 44 | 1048, 1264, 1265, 1292, 1300, 1365–1367, 1406, 1411, 1690, 3140, 3819, 3854, 4025 | CONSTRAINT (not null, check, datatype), MISMATCH |
//! | **Retry**: other constraints, among them foreign keys, whose row somebody may have deleted | 21, 23, 27, 40002 | 1022, 1062, 1216, 1217, 1451, 1452, 1586 | CONSTRAINT (others) |
//! | somebody's trigger or function | 09, 20, 2F, 38, 39, P0 | 1644 | CONSTRAINT (trigger, function) |
//! | damage, which some rows have and others have not | XX | 1034, 1035, 1194, 1195, 1712, 1877 | CORRUPT |
//! | our own mistakes, and all else | 03, 42601, … | … | ERROR, INTERNAL, MISUSE, RANGE, … |
//!
//! Too large alone ends as a dead letter, whose body is kept in pieces. Errors of the driver are outages
//! if they are about the connection, else unknown.

mod mysql;
mod postgres;
mod sqlite;

use sea_orm::sqlx;
use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
use sea_orm::{DbErr, RuntimeErr, SqlxMySqlError, SqlxPostgresError, SqlxSqliteError};

use super::{CommitError, MessageTooLong};

/// Why the tables could not be read or written. Nothing of the batch was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or failed.
    #[error("the database failed")]
    Database(#[from] DbErr),
    /// It did not answer in time.
    #[error("the database did not answer within {0} s")]
    Timeout(u64),
    /// A row that was just written can't be found, as when somebody deletes rows meanwhile.
    #[error("a row of {0} vanished while it was used")]
    Vanished(&'static str),
    /// The database answered no statement with an error, and still committed nothing.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The filter of a job can't be read: a newer release wrote it.
    #[error("the filter of job {0} can't be read by this release")]
    Filter(i64),
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The database is away, busy, read-only or full: the webhooks are innocent. Hold them.
    Outage,
    /// Trying again may help.
    Retry,
    /// Longer than the database takes: a batch is split, and one that is too large alone is given up.
    TooLarge,
    /// The values contradict the schema: trying again can't help.
    Permanent,
}

impl StoreError {
    /// What to do about it, decided in this one place.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Timeout(_) | Self::Commit(CommitError::Gone) => ErrorClass::Outage,
            Self::Vanished(_) | Self::Commit(CommitError::Poisoned) => ErrorClass::Retry,
            Self::Filter(_) => ErrorClass::Permanent,
            Self::Database(error) => classify(error),
        }
    }

    /// A stable name of what went wrong, without values: safe for rows and logs.
    pub fn detail(&self) -> String {
        match self {
            Self::Timeout(_) | Self::Vanished(_) | Self::Commit(_) | Self::Filter(_) => {
                self.to_string()
            }
            Self::Database(error) => match driver_error(error) {
                Some(sqlx::Error::Database(error)) => refusal(error.as_ref()),
                Some(sqlx::Error::Encode(error)) if error.is::<MessageTooLong>() => {
                    error.to_string()
                }
                _ => "the database failed".to_owned(),
            },
        }
    }
}

/// The code of an error: SQLSTATE, or the number of MySQL and SQLite.
pub(super) fn code(error: &dyn DatabaseError) -> String {
    match error.try_downcast_ref::<SqlxMySqlError>() {
        Some(mysql) => mysql.number().to_string(),
        None => error.code().unwrap_or_default().into_owned(),
    }
}

/// The code and, where the database tells it, the constraint: names of the schema, no values.
fn refusal(error: &dyn DatabaseError) -> String {
    let code = code(error);
    let name = error.constraint().or_else(|| mysql::constraint(error.message()));
    let constraint = name.map(|name| format!(", constraint {name}")).unwrap_or_default();
    let meaning = match error.kind() {
        ErrorKind::ForeignKeyViolation => {
            ": a row that another one refers to is missing, as when somebody deletes rows by hand"
        }
        _ => "",
    };
    format!("the database refused: code {code}{constraint}{meaning}")
}

pub(super) fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn classify(error: &DbErr) -> ErrorClass {
    match driver_error(error) {
        Some(sqlx::Error::Database(database)) => classify_database(database.as_ref()),
        Some(sqlx::Error::Encode(error)) if error.is::<MessageTooLong>() => ErrorClass::TooLarge,
        Some(
            sqlx::Error::Configuration(_)
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::InvalidSavePointStatement
            | sqlx::Error::BeginFailed,
        ) => ErrorClass::Outage,
        Some(_) => ErrorClass::Retry,
        None if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) => ErrorClass::Outage,
        None => ErrorClass::Retry,
    }
}

fn classify_database(error: &dyn DatabaseError) -> ErrorClass {
    if let Some(mysql) = error.try_downcast_ref::<SqlxMySqlError>() {
        return mysql::classify(mysql.number());
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqlxPostgresError>().is_some() {
        return postgres::classify(&code);
    }
    match error.try_downcast_ref::<SqlxSqliteError>() {
        Some(_) => sqlite::classify(code.parse().unwrap_or_default(), error.message()),
        None => ErrorClass::Retry,
    }
}
