//! Statements have a limit of parameters: SQLite 32,766, PostgreSQL and MySQL 65,535.

/// Parameters per statement that every database takes.
const PARAMETERS_MAX: usize = 30_000;

/// How many rows of so many columns fit one statement.
pub(super) fn rows_max(columns: usize) -> usize {
    (PARAMETERS_MAX / columns.max(1)).max(1)
}
