//! A column that somebody added to a table of ours, which takes no NULL and has no default: every row
//! that we insert lacks it. No webhook can cause that, under whichever code the database says it.
//!
//! Called by `store/connect/transaction`, which knows the statement. Invariant: a NOT NULL that a
//! value of ours broke stays the contradiction that it is.

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{SqlxMySqlError, SqlxPostgresError, SqlxSqliteError, sqlx};

use super::code;

/// Quotation marks around names, of any database.
const QUOTES: [char; 2] = ['"', '`'];

/// A row lacks a column that is not ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "code {code}: the column {column} of {table} is not ours, takes no NULL and has no default: give it a default, or let it take NULL"
)]
pub(crate) struct ForeignColumn {
    code: String,
    table: String,
    column: String,
}

/// The error of an insert of ours; as it is, unless it is about such a column.
pub(crate) fn name_foreign_column(error: sqlx::Error, sql: &str) -> sqlx::Error {
    match error.as_database_error().and_then(|error| foreign_column(error, sql)) {
        Some(foreign) => sqlx::Error::Encode(Box::new(foreign)),
        None => error,
    }
}

fn foreign_column(error: &dyn DatabaseError, sql: &str) -> Option<ForeignColumn> {
    let (table, ours) = inserted(sql)?;
    let column = lacking(error, table)?;
    let is_ours = ours.split(',').any(|name| name.trim().trim_matches(QUOTES) == column);
    (!is_ours).then(|| ForeignColumn {
        code: code(error),
        table: table.to_owned(),
        column: column.to_owned(),
    })
}

/// The table of an insert, and its list of columns.
fn inserted(sql: &str) -> Option<(&str, &str)> {
    let (table, rest) = sql.strip_prefix("INSERT INTO ")?.split_once(" (")?;
    Some((table.trim_matches(QUOTES), rest.split_once(')')?.0))
}

/// The column of this table that a row lacks, if that is what the error is about. Another table's is some
/// trigger's.
fn lacking<'a>(error: &'a dyn DatabaseError, table: &str) -> Option<&'a str> {
    if let Some(error) = error.try_downcast_ref::<SqlxPostgresError>() {
        let is_it = error.code() == "23502" && error.table() == Some(table);
        return error.column().filter(|_| is_it);
    }
    if let Some(error) = error.try_downcast_ref::<SqlxMySqlError>() {
        // "Field 'c' doesn't have a default value".
        return (error.number() == 1364).then(|| error.message().split('\'').nth(1))?;
    }
    error.try_downcast_ref::<SqlxSqliteError>()?;
    let place = error.message().strip_prefix("NOT NULL constraint failed: ")?;
    place.strip_prefix(table)?.strip_prefix('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insert_names_its_table_and_its_columns() {
        for sql in [
            "INSERT INTO waha_chats (id, name) VALUES (?, ?)",
            r#"INSERT INTO "waha_chats" (id, name) SELECT 1, 2"#,
        ] {
            assert_eq!(inserted(sql), Some(("waha_chats", "id, name")));
        }
        assert_eq!(inserted("UPDATE waha_chats SET name = (1)"), None);
    }
}
