//! What may be shown of an error of the database: its code, never its text, which quotes rows.
//!
//! Called by `telemetry::cause`, and by `store`, which decides what an error means for webhooks.

mod foreign_column;

use std::error::Error;

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbErr, RuntimeErr, SqlxMySqlError, SqlxSqliteError, sqlx};

pub(crate) use foreign_column::{ForeignColumn, name_foreign_column};

/// What a link of a chain of errors may say; none if it is no error of a database.
pub(crate) fn loggable(link: &(dyn Error + 'static)) -> Option<String> {
    let error = match link.downcast_ref::<DbErr>() {
        Some(error) => driver_error(error),
        None => Some(link.downcast_ref::<sqlx::Error>()?),
    };
    Some(error.map_or_else(|| "it gave no code".to_owned(), of_driver))
}

/// Only what the driver itself says is told as it is.
fn of_driver(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => {
            let name = missing_name(database.as_ref());
            let missing = name.map(|text| format!(", {text}")).unwrap_or_default();
            format!("code {}{missing}", code(database.as_ref()))
        }
        sqlx::Error::Io(error) => error.to_string(),
        sqlx::Error::Encode(error) if error.is::<ForeignColumn>() => error.to_string(),
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => error.to_string(),
        sqlx::Error::Tls(_) => "TLS failed".to_owned(),
        sqlx::Error::Protocol(_) => "it broke the protocol".to_owned(),
        _ => "the driver failed".to_owned(),
    }
}

/// The code of an error: SQLSTATE, or the number of MySQL and SQLite.
pub(crate) fn code(error: &dyn DatabaseError) -> String {
    match error.try_downcast_ref::<SqlxMySqlError>() {
        Some(mysql) => mysql.number().to_string(),
        None => error.code().unwrap_or_default().into_owned(),
    }
}

/// What SQLite says of a name that the schema lacks, as when a trigger is about a table that is gone: names
/// of the schema, never a value. All of that has its code 1.
pub(crate) fn missing_name(error: &dyn DatabaseError) -> Option<&str> {
    error.try_downcast_ref::<SqlxSqliteError>()?;
    of_missing_name(error.message())
}

/// The text, if it is about a missing name and holds nothing else: statements of a person's own, such as a
/// trigger's, may have a text where a name should be.
fn of_missing_name(text: &str) -> Option<&str> {
    let name =
        ["no such table: ", "no such column: "].iter().find_map(|it| text.strip_prefix(it))?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
    (!name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(is_name)).then_some(text)
}

/// The driver's error in an error of the database; none if it is no driver's.
pub(crate) fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_told_of_what_is_missing() {
        for told in ["no such table: main.orders", "no such column: new.shop_id"] {
            assert_eq!(of_missing_name(told), Some(told));
        }
        for hidden in [
            "no such column: 4915155501234",
            "no such column: Ann's words",
            "no such function: f",
            "UNIQUE constraint failed: a.b",
        ] {
            assert_eq!(of_missing_name(hidden), None, "{hidden}");
        }
    }
}
