//! Column types that the databases spell differently, in one place. Called by the migrations and
//! by `tables`. Every column is nullable unless the caller adds `not_null()`.
//!
//! A migration that was released is never changed, so neither is what these functions return for
//! it: a new spelling is a new function.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The types of one database.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    backend: DbBackend,
}

impl Columns {
    /// The types of the database behind `manager`.
    pub(crate) fn of(manager: &SchemaManager<'_>) -> Self {
        Self { backend: manager.get_database_backend() }
    }

    /// Whether this is MySQL or MariaDB.
    pub(crate) fn is_mysql(self) -> bool {
        self.backend == DbBackend::MySql
    }

    /// Whether this is SQLite.
    pub(crate) fn is_sqlite(self) -> bool {
        self.backend == DbBackend::Sqlite
    }

    /// The key of every table: 64 bits, given by the database.
    pub(crate) fn id() -> ColumnDef {
        ColumnDef::new("id").big_integer().not_null().auto_increment().primary_key().take()
    }

    /// Text without a limit. Plain TEXT of MySQL would end at 65,535 bytes, which is less than one
    /// long WhatsApp message with emoji.
    pub(crate) fn text(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        if self.is_mysql() { column.custom("LONGTEXT") } else { column.text() }.take()
    }

    /// Bytes without a limit, NUL included.
    pub(crate) fn bytes(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        if self.is_mysql() { column.custom("LONGBLOB") } else { column.blob() }.take()
    }

    /// A moment in UTC, to the microsecond. MySQL's TIMESTAMP ends in 2038; DATETIME does not, but
    /// knows no time zone, so connections must run in UTC. SeaORM binds a `DateTime<Utc>` as
    /// TIMESTAMP all the same: MariaDB then stores NULL, without an error, outside 1970 to 2038.
    pub(crate) fn time(self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        if self.is_mysql() {
            column.custom("DATETIME(6)")
        } else {
            column.timestamp_with_time_zone()
        }
        .take()
    }

    /// A moment that the database fills in with its own current time when a row is inserted
    /// without it. On update it stays: writers set `updated_at` themselves.
    ///
    /// SQLite has milliseconds only, and the text must look like what sqlx writes for a
    /// `DateTime<Utc>`, so that comparing as text is comparing as time.
    pub(crate) fn time_now(self, name: &'static str) -> ColumnDef {
        let mut column = self.time(name).not_null().take();
        match self.backend {
            DbBackend::Sqlite => {
                column.default(Expr::cust("strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')"))
            }
            // As extra, because a default would be put in parentheses, which 8.0.0 to 8.0.12 refuse.
            DbBackend::MySql => column.extra("DEFAULT CURRENT_TIMESTAMP(6)"),
            DbBackend::Postgres | _ => column.default(Expr::current_timestamp()),
        }
        .take()
    }
}

/// Text of at most `length` characters, for keys and words of a closed set.
pub(crate) fn string(name: &'static str, length: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(length).take()
}

/// A number of 64 bits.
pub(crate) fn big_integer(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

/// A number of 32 bits.
pub(crate) fn integer(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().take()
}

/// A number of 16 bits.
pub(crate) fn small_integer(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).small_integer().take()
}

/// True, false or unknown.
pub(crate) fn boolean(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().take()
}

/// Version of a register, 0 as long as no webhook told it.
pub(crate) fn version(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().default(0_i64).take()
}
