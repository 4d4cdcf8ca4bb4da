//! What the databases say differently.

use sea_orm::{DbBackend, Value};

/// A database's way of speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    /// `ON CONFLICT … DO UPDATE`, the new row is `excluded`; many rows come as arrays.
    Postgres,
    /// The same, but many rows come as a list.
    Sqlite,
    /// MySQL and MariaDB: `ON DUPLICATE KEY UPDATE`, the new value is `VALUES(column)`, and
    /// assignments see the effect of those to their left.
    MySql,
}

impl Dialect {
    pub(in crate::store) fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::MySql => Self::MySql,
            DbBackend::Postgres => Self::Postgres,
            _ => Self::Sqlite,
        }
    }

    pub(in crate::store) fn backend(self) -> DbBackend {
        match self {
            Self::MySql => DbBackend::MySql,
            Self::Postgres => DbBackend::Postgres,
            Self::Sqlite => DbBackend::Sqlite,
        }
    }

    /// Whether an upsert can return the rows as they are then. MariaDB could, MySQL can't.
    pub(in crate::store) fn returns_rows(self) -> bool {
        self != Self::MySql
    }

    /// The value that was to be inserted.
    pub(in crate::store) fn incoming(self, column: &str) -> String {
        match self {
            Self::Postgres | Self::Sqlite => format!("excluded.{column}"),
            Self::MySql => format!("VALUES({column})"),
        }
    }

    /// The value that is there.
    pub(in crate::store) fn stored(self, table: &str, column: &str) -> String {
        match self {
            Self::Postgres | Self::Sqlite => format!("{table}.{column}"),
            Self::MySql => column.to_owned(),
        }
    }

    /// A value as it is to be bound.
    ///
    /// The MySQL driver binds a time with a zone as TIMESTAMP, and MariaDB then silently stores
    /// NULL for a time before 1970 or after 2038. Without zone it is a DATETIME; both are UTC.
    pub(in crate::store) fn bind(self, value: Value) -> Value {
        match (self, value) {
            (Self::MySql, Value::ChronoDateTimeUtc(time)) => {
                Value::ChronoDateTime(time.map(|time| time.naive_utc()))
            }
            (_, value) => value,
        }
    }

    /// A text as it is compared byte by byte, whatever the database's own order is. The columns of MySQL and
    /// SQLite are anyway.
    pub(in crate::store) fn by_bytes(self, text: &str) -> String {
        match self {
            Self::Postgres => format!("{text} COLLATE \"C\""),
            Self::Sqlite | Self::MySql => text.to_owned(),
        }
    }

    /// Texts one after the other.
    pub(in crate::store) fn concat(self, texts: &[&str]) -> String {
        match self {
            Self::Postgres | Self::Sqlite => texts.join(" || "),
            Self::MySql => format!("CONCAT({})", texts.join(", ")),
        }
    }
}
