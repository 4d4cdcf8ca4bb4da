//! What the databases say differently in an upsert.

use sea_orm::{DbBackend, Value};

/// A database's way of speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// PostgreSQL and SQLite: `ON CONFLICT … DO UPDATE`, the new row is `excluded`.
    Excluded,
    /// MySQL and MariaDB: `ON DUPLICATE KEY UPDATE`, the new value is `VALUES(column)`, and
    /// assignments see the effect of those to their left.
    Values,
}

impl Dialect {
    pub(super) fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::MySql => Self::Values,
            _ => Self::Excluded,
        }
    }

    /// The value that was to be inserted.
    pub(super) fn incoming(self, column: &str) -> String {
        match self {
            Self::Excluded => format!("excluded.{column}"),
            Self::Values => format!("VALUES({column})"),
        }
    }

    /// The value that is there.
    pub(super) fn stored(self, table: &str, column: &str) -> String {
        match self {
            Self::Excluded => format!("{table}.{column}"),
            Self::Values => column.to_owned(),
        }
    }
}

impl Dialect {
    /// A value as it is to be bound.
    ///
    /// The MySQL driver binds a time with a zone as TIMESTAMP, and MariaDB then silently stores
    /// NULL for a time before 1970 or after 2038. Without zone it is a DATETIME; both are UTC.
    pub(super) fn bind(self, value: Value) -> Value {
        match (self, value) {
            (Self::Values, Value::ChronoDateTimeUtc(time)) => {
                Value::ChronoDateTime(time.map(|time| time.naive_utc()))
            }
            (_, value) => value,
        }
    }

    /// Texts one after the other.
    pub(super) fn concat(self, texts: &[&str]) -> String {
        match self {
            Self::Excluded => texts.join(" || "),
            Self::Values => format!("CONCAT({})", texts.join(", ")),
        }
    }
}
