//! Bounds of what is read or written at a time.

use sea_orm::Value;

/// Parameters per statement that every database takes: SQLite's limit is 32,766, that of PostgreSQL
/// and MySQL 65,535.
const PARAMETERS_MAX: usize = 30_000;
/// Bodies in memory at a time; a single longer one is taken alone.
const BODIES_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// Rows in one statement: more gain nothing.
const ROWS_MAX: usize = 1024;
/// Bytes of values in one statement, about: MariaDB takes no more than 16 MB by default.
const STATEMENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How many of these rows go into one statement; at least one, if there is one.
pub(super) fn fitting(rows: &[Vec<Value>]) -> usize {
    let mut bytes = 0;
    let fits = |row: &&Vec<Value>| {
        bytes += row.iter().map(bytes_of).sum::<usize>();
        bytes <= STATEMENT_BYTES_MAX
    };
    let rows_max = ROWS_MAX.min(rows_max(rows.first().map_or(1, Vec::len)));
    rows.iter().take(rows_max).take_while(fits).count().max(1).min(rows.len())
}

pub(super) fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(Some(text)) => text.len(),
        Value::Bytes(Some(bytes)) => bytes.len(),
        _ => size_of::<i64>(),
    }
}

/// How many rows of so many columns fit one statement.
pub(super) fn rows_max(columns: usize) -> usize {
    (PARAMETERS_MAX / columns.max(1)).max(1)
}

/// Cuts rows that were read without their bodies into parts of bounded length, in rows and in bytes
/// of bodies.
pub(crate) fn parts<T>(
    rows: &[T],
    rows_max: usize,
    body_bytes: impl Fn(&T) -> i64,
) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |row: &&T| {
            bytes += body_bytes(row);
            bytes <= BODIES_BYTES_MAX
        };
        let count = rest.iter().take(rows_max).take_while(fits).count();
        let (part, later) = rest.split_at(count.max(1).min(rest.len()));
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}
