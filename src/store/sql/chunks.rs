//! Bounds of a statement: rows, parameters, bytes.

use sea_orm::Value;

/// Parameters per statement that every database takes: SQLite's limit is 32,766, that of PostgreSQL
/// and MySQL 65,535.
const PARAMETERS_MAX: usize = 30_000;
/// Rows in one statement: more gain nothing.
const ROWS_MAX: usize = 1024;
/// Bytes of values in one statement, about: MariaDB takes no more than 16 MB by default.
const STATEMENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How many of these rows go into one statement; at least one, if there is one.
pub(in crate::store) fn fitting(rows: &[Vec<Value>]) -> usize {
    let mut bytes = 0;
    let fits = |row: &&Vec<Value>| {
        bytes += row.iter().map(bytes_of).sum::<usize>();
        bytes <= STATEMENT_BYTES_MAX
    };
    let rows_max = ROWS_MAX.min(rows_max(rows.first().map_or(1, Vec::len)));
    rows.iter().take(rows_max).take_while(fits).count().max(1).min(rows.len())
}

pub(in crate::store) fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(Some(text)) => text.len(),
        Value::Bytes(Some(bytes)) => bytes.len(),
        _ => size_of::<i64>(),
    }
}

/// How many rows of so many columns fit one statement.
pub(in crate::store) fn rows_max(columns: usize) -> usize {
    (PARAMETERS_MAX / columns.max(1)).max(1)
}
