//! What a database error means for the webhooks in hand.
//!
//! What no webhook can cause is no webhook's fault, however long it takes. What one webhook can cause
//! must not stop the others. What is not known, or can be our own mistake, is tried again, apart from
//! the others, until the attempts are used up.
//!
//! | Class | What follows (`worker/error.rs`) |
//! | --- | --- |
//! | Outage | The batch is held, no attempt is used, the database is told as down until something is written again |
//! | Conflict | Somebody else's transaction won: the batch is tried again at once, some times; after that it is an outage |
//! | Too large | The batch is split. What is too large alone becomes a dead letter, its body kept in pieces |
//! | Contradiction | The batch is split. What the tables refuse alone, by its values, becomes a dead letter |
//! | Unknown | The batch is split. What fails alone is tried again up the ladder, then becomes a dead letter. Of a foreign key the name is told, and whether a row is missing which somebody may have deleted, or an application refers to one that goes (`error/foreign_key.rs`) |
//!
//! PostgreSQL's codes are those of its appendix A (`errcodes.txt`), by class or whole; the longest that
//! fits counts. MySQL's and MariaDB's are in `messages_to_clients.txt` and `errmsg-utf8.txt`; up to 1880
//! they are the same, above that no number that is here means anything else on the other that our
//! statements could meet. Below 100 are those of their common file layer. SQLite's are in `sqlite3.h`,
//! without `SQLITE_`; an extended code that is not here goes by its primary one, and ERROR by its
//! message. A test compares this table with the code, in both directions.
//!
//! | | PostgreSQL | MySQL and MariaDB | SQLite |
//! | --- | --- | --- | --- |
//! | **Outage**: away, cut off | 08, 40003 | 1042, 1043, 1047, 1081, 1152, 1154–1161, 1184, 1835, 2006, 2013 | PROTOCOL |
//! | may not | 0L, 0P, 28, 2B, 42501 | 1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1370, 1449, 1698, 1820, 1862, 1873, 3118, 3159, 3879, 3955, 4150, 4151, 6038 | PERM, AUTH |
//! | full, or out of something | 2200H, 53 | 1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1206, 1226, 1461, 1467, 1637, 1878, 3015, 3019, 3044, 3675, 3950, 3985, 4081, 4139 | FULL, NOMEM, NOLFS |
//! | read-only | 25006 | 1036, 1223, 1290, 1792, 1836, 1874, 1881, 3989 | READONLY |
//! | not as it was migrated | 0A, 3D, 3F, 42 | 1046, 1049, 1051, 1054, 1109, 1115, 1128, 1146, 1193, 1253, 1267, 1270, 1271, 1273, 1286, 1288, 1305, 1348, 1356, 1364, 1459, 1471, 1598, 1707, 1812, 1814, 1932, 3098 | ERROR_MISSING_COLLSEQ, ERROR "no such …", ERROR "… has no column named …" |
//! | busy: a wait for a lock ended | 55 | 1205, 3572 | BUSY, LOCKED |
//! | somebody stops it | 57 | 1053, 1077–1080, 1317, 1927, 1969, 3024, 3032, 3168, 3169, 3781–3783, 4031, 4094 | ABORT, INTERRUPT |
//! | disk, server or cluster fails | 58, 72, F0, HV | 1–99, 1004, 1011–1019, 1023–1028, 1030, 1033, 1039, 1180–1183, 1297, 1534, 1810, 1811, 3100, 3185, 3796–3799 | IOERR, CANTOPEN, NOTADB |
//! | the session is not what it was | 0B, 24, 25, 26, 2D, 34, 3B | 1179, 1192, 1243, 1568 | ERROR "cannot … transaction …" |
//! | **Conflict** | 40, 42P10 | 1020, 1213, 1412, 1526, 1614, 1615, 1689, 3101 | BUSY_SNAPSHOT, SCHEMA, ERROR_RETRY, ERROR_SNAPSHOT |
//! | **Too large**: for one message, row, index, stack or transaction | 54 | 1118, 1119, 1153, 1162, 1197, 1301, 1390, 1436, 1705, 1713, 3150, 3151, 3170, 3186, 3231, 4082 | TOOBIG, ERROR "too many SQL variables" |
//! | **Contradiction**: values | 22 | 1264, 1265, 1292, 1300, 1365–1367, 1406, 1411, 1441, 1525, 1690, 1977, 3140, 3141, 3156, 3157, 3854, 3988 | MISMATCH |
//! | constraints on values | 23502, 23514, 44 | 1048, 1369, 3673, 3819, 4025 | CONSTRAINT_NOTNULL, CONSTRAINT_CHECK, CONSTRAINT_DATATYPE |
//! | **Unknown**: duplicates, foreign keys, partitions | 23, 40002 | 1022, 1062, 1169, 1216, 1217, 1451, 1452, 1569, 1586, 1748 | CONSTRAINT |
//! | somebody's trigger or function | 09, 20, 27, 2F, 38, 39, P0 | 1644 | CONSTRAINT_TRIGGER, CONSTRAINT_FUNCTION |
//! | damage, which some rows have and others have not | XX | 1034, 1035, 1194, 1195, 1712, 1817, 1877 | CORRUPT, IOERR_CORRUPTFS, IOERR_DATA |
//! | our own mistakes, and all else | 00, 01, 02, 03, 0F, 0Z, 21, 42601 | 1064, 1105 | ERROR, INTERNAL, NOTFOUND, EMPTY, MISUSE, FORMAT, RANGE, NOTICE, WARNING |
//!
//! A NOT NULL of a column that is not in our statement's list is none of the contradictions (23502,
//! CONSTRAINT_NOTNULL; MySQL has 1364 for it): somebody added it to a table of ours (`driver_error/foreign_column.rs`). It is an outage on all
//! three, told with table, column and remedy.
//!
//! That the ledger is divided by month otherwise than it was thought to be (no such key, no part for a month) is a
//! conflict, whatever its code (`error/layout.rs`).
//!
//! Errors of the driver are outages if they are about the connection, else unknown. Whatever refuses a
//! connection, under any code, is an outage: no webhook was there.

#![expect(clippy::doc_markdown, reason = "a test reads the names of the table as they stand")]

mod commit;
mod file;
mod foreign_key;
mod layout;
mod mysql;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use sea_orm::sqlx::error::{DatabaseError, ErrorKind};
use sea_orm::{DbErr, SqlxMySqlError, SqlxPostgresError, SqlxSqliteError, sqlx};

use crate::driver_error::{ForeignColumn, code, driver_error, missing_name};

pub(in crate::store) use commit::COMMIT_MAX;
pub use commit::CommitError;
pub use file::{FileChange, FileLost};
pub(in crate::store) use layout::CHECK;

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
    /// It is a replica that takes the writes of administrators alone.
    #[error(
        "the database server is read-only, as a replica: database.url must lead to the primary"
    )]
    ReadOnly,
    /// None of the servers that the URL names is the one to write to.
    #[error("no database server takes writes: {0}")]
    NoPrimary(String),
    /// SQLite's file is not where it was.
    #[error(transparent)]
    File(#[from] FileLost),
    /// Another server took the place of the one whose ids were used.
    #[error("another database server has taken over")]
    Switched,
    /// The tables were divided by month while they were written.
    #[error("the ledger's tables were divided by month meanwhile")]
    Divided,
    /// The filter of a job can't be read: a newer release wrote it.
    #[error("the filter of job {0} can't be read by this release")]
    Filter(i64),
}

/// A statement is longer than the server takes.
#[derive(Debug, thiserror::Error)]
#[error("a statement of {bytes} bytes is longer than max_allowed_packet = {limit}")]
pub struct MessageTooLong {
    /// About so many.
    pub bytes: usize,
    /// Most that the server takes.
    pub limit: usize,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// The database is away, busy, read-only or full: the webhooks are innocent.
    Outage,
    /// Another transaction was in the way: the webhooks are innocent.
    Conflict,
    /// Longer than the database takes.
    TooLarge,
    /// The values contradict the schema: trying again can't help.
    Contradiction,
    /// Trying again may help.
    Unknown,
}

impl ErrorClass {
    /// Whether no webhook caused it.
    pub fn is_blameless(self) -> bool {
        match self {
            Self::Outage | Self::Conflict => true,
            Self::TooLarge | Self::Contradiction | Self::Unknown => false,
        }
    }
}

impl StoreError {
    /// What to do about it, decided in this one place.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Timeout(_) | Self::Commit(CommitError::Gone | CommitError::Unanswered) => {
                ErrorClass::Outage
            }
            Self::ReadOnly | Self::NoPrimary(_) | Self::File(_) | Self::Switched => {
                ErrorClass::Outage
            }
            Self::Divided => ErrorClass::Conflict,
            Self::Vanished(_) | Self::Commit(CommitError::Poisoned) => ErrorClass::Unknown,
            Self::Filter(_) => ErrorClass::Contradiction,
            Self::Database(error) => classify(error),
        }
    }

    /// Whether it says that the tables are not divided by month as they were thought to be.
    pub(in crate::store) fn is_of_layout(&self) -> bool {
        match self {
            Self::Divided => true,
            Self::Database(error) => match driver_error(error) {
                Some(sqlx::Error::Database(error)) => layout::is_other(error.as_ref()),
                _ => false,
            },
            _ => false,
        }
    }

    /// A stable name of what went wrong, without values: safe for rows and logs.
    pub fn detail(&self) -> String {
        match self {
            Self::Timeout(_)
            | Self::Vanished(_)
            | Self::Commit(_)
            | Self::ReadOnly
            | Self::NoPrimary(_)
            | Self::File(_)
            | Self::Switched
            | Self::Divided
            | Self::Filter(_) => self.to_string(),
            Self::Database(error) => match driver_error(error) {
                Some(sqlx::Error::Database(error)) => refusal(error.as_ref()),
                Some(sqlx::Error::Encode(error))
                    if error.is::<MessageTooLong>() || error.is::<ForeignColumn>() =>
                {
                    error.to_string()
                }
                _ => "the database failed".to_owned(),
            },
        }
    }
}

/// The code and, where the database tells it, the constraint: names of the schema, no values.
fn refusal(error: &dyn DatabaseError) -> String {
    let code = code(error);
    let name = error.constraint().or_else(|| mysql::constraint(error.message()));
    let constraint = name.map(|name| format!(", constraint {name}")).unwrap_or_default();
    let meaning = match error.kind() {
        ErrorKind::ForeignKeyViolation => format!(": {}", foreign_key::meaning(error)),
        _ => String::new(),
    };
    let missing = missing_name(error).map(|text| format!(", {text}")).unwrap_or_default();
    format!("the database refused: code {code}{missing}{constraint}{meaning}")
}

/// Whether no webhook can be to blame.
pub(in crate::store) fn is_outage(error: &DbErr) -> bool {
    classify(error) == ErrorClass::Outage
}

fn classify(error: &DbErr) -> ErrorClass {
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return ErrorClass::Outage;
    }
    match driver_error(error) {
        Some(sqlx::Error::Database(database)) => classify_database(database.as_ref()),
        Some(sqlx::Error::Encode(error)) if error.is::<MessageTooLong>() => ErrorClass::TooLarge,
        Some(sqlx::Error::Encode(error)) if error.is::<ForeignColumn>() => ErrorClass::Outage,
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
        Some(_) | None => ErrorClass::Unknown,
    }
}

fn classify_database(error: &dyn DatabaseError) -> ErrorClass {
    if layout::is_other(error) {
        return ErrorClass::Conflict;
    }
    if let Some(mysql) = error.try_downcast_ref::<SqlxMySqlError>() {
        return mysql::classify(mysql.number());
    }
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqlxPostgresError>().is_some() {
        return postgres::classify(&code);
    }
    match error.try_downcast_ref::<SqlxSqliteError>() {
        Some(_) => sqlite::classify(code.parse().unwrap_or_default(), error.message()),
        None => ErrorClass::Unknown,
    }
}
