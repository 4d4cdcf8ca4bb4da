//! What a database error means for the webhooks in hand: hold them, try again, or give up.

use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr, SqlxMySqlError, SqlxPostgresError, SqlxSqliteError};

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
    /// The values contradict the schema: trying again can't help.
    Permanent,
}

impl StoreError {
    /// What to do about it, decided in this one place.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Timeout(_) => ErrorClass::Outage,
            Self::Vanished(_) => ErrorClass::Retry,
            Self::Filter(_) => ErrorClass::Permanent,
            Self::Database(error) => classify(error),
        }
    }

    /// A stable name of what went wrong, without values: safe for rows and logs.
    pub fn detail(&self) -> String {
        match self {
            Self::Timeout(_) | Self::Vanished(_) | Self::Filter(_) => self.to_string(),
            Self::Database(error) => {
                match sqlx_error(error).and_then(sqlx::Error::as_database_error) {
                    Some(database) => format!("the database refused: code {}", code(database)),
                    None => "the database failed".to_owned(),
                }
            }
        }
    }
}

fn code(error: &dyn sqlx::error::DatabaseError) -> String {
    match error.try_downcast_ref::<SqlxMySqlError>() {
        Some(mysql) => mysql.number().to_string(),
        None => error.code().unwrap_or_default().into_owned(),
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn classify(error: &DbErr) -> ErrorClass {
    match sqlx_error(error) {
        Some(sqlx::Error::Database(database)) => classify_database(database.as_ref()),
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed,
        ) => ErrorClass::Outage,
        Some(_) => ErrorClass::Retry,
        None if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) => ErrorClass::Outage,
        None => ErrorClass::Retry,
    }
}

fn classify_database(error: &dyn sqlx::error::DatabaseError) -> ErrorClass {
    if let Some(mysql) = error.try_downcast_ref::<SqlxMySqlError>() {
        return classify_mysql(mysql.number());
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqlxPostgresError>().is_some() {
        return classify_postgres(&code);
    }
    match error.try_downcast_ref::<SqlxSqliteError>() {
        Some(_) => classify_sqlite(code.parse().unwrap_or_default(), error.message()),
        None => ErrorClass::Retry,
    }
}

/// SQLSTATE (PostgreSQL manual, appendix A).
fn classify_postgres(code: &str) -> ErrorClass {
    match code {
        // A missing table, column or schema: not migrated yet; 25006: a read-only standby.
        "42P01" | "42703" | "3F000" | "25006" => ErrorClass::Outage,
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => ErrorClass::Outage,
        "23502" | "23514" => ErrorClass::Permanent,
        _ => match code.get(..2) {
            // Connection, authorization, catalog name, resources, operator's action, system.
            Some("08" | "28" | "3D" | "53" | "57" | "58") => ErrorClass::Outage,
            // Data exceptions.
            Some("22") => ErrorClass::Permanent,
            Some(_) | None => ErrorClass::Retry,
        },
    }
}

/// Error numbers that MySQL and MariaDB share.
fn classify_mysql(number: u16) -> ErrorClass {
    match number {
        // Disk full, table full, too many connections, access denied, server going down.
        1021 | 1114 | 1040 | 1044 | 1045 | 1053 | 1077 | 1129 | 1130 | 1203 | 1226
        // Missing database or table or column, lock wait, deadlock, read-only, killed, gone.
        | 1049 | 1146 | 1054 | 1205 | 1213 | 1290 | 1792 | 1836 | 1317 | 1927 | 2006 | 2013 | 3024
        // Out of resources, file errors, connection broken.
        | 1037 | 1038 | 1041 | 1030 | 1152 | 1158..=1161 | 1180 | 1184 => ErrorClass::Outage,
        // Not null, out of range, truncated, incorrect value, too long.
        1048 | 1264 | 1265 | 1292 | 1366 | 1406 | 3140 => ErrorClass::Permanent,
        _ => ErrorClass::Retry,
    }
}

/// Primary result codes (the low byte of SQLite's extended codes).
fn classify_sqlite(code: i32, message: &str) -> ErrorClass {
    match code & 0xff {
        // Busy, locked, out of memory, read-only, I/O, corrupt, full, can't open, protocol, no file.
        5 | 6 | 7 | 8 | 10 | 11 | 13 | 14 | 15 | 26 => ErrorClass::Outage,
        1 if message.starts_with("no such table") || message.starts_with("no such column") => {
            ErrorClass::Outage
        }
        // Too big, mismatch.
        18 | 20 => ErrorClass::Permanent,
        // A foreign key may vanish between reading and writing, a trigger is somebody else's;
        // other constraints are for good.
        19 if matches!(code, 787 | 1811) => ErrorClass::Retry,
        19 => ErrorClass::Permanent,
        _ => ErrorClass::Retry,
    }
}
