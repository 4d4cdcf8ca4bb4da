//! Result codes, in the order of the table; the low byte of an extended one is the primary one.

use super::ErrorClass::{self, Conflict, Contradiction, Outage, TooLarge, Unknown};

pub(super) fn classify(code: i32, message: &str) -> ErrorClass {
    match code {
        // ERROR: a missing collation; try again, a snapshot that is gone.
        257 => Outage,
        513 | 769 => Conflict,
        // BUSY: what was read is too old to be written.
        517 => Conflict,
        // IOERR: a checksum, a file system that is damaged.
        8202 | 8458 => Unknown,
        // CONSTRAINT: not null, check, datatype.
        1299 | 275 | 3091 => Contradiction,
        _ => of_primary(code & 0xff, message),
    }
}

fn of_primary(code: i32, message: &str) -> ErrorClass {
    match code {
        1 => of_message(message),
        // Protocol; perm, auth; full, no memory, no large files; read-only.
        15 | 3 | 23 | 13 | 7 | 22 | 8
        // Busy, locked; abort, interrupt; I/O, can't open, no database.
        | 5 | 6 | 4 | 9 | 10 | 14 | 26 => Outage,
        // The schema changed while a statement was prepared, again and again.
        17 => Conflict,
        18 => TooLarge,
        20 => Contradiction,
        _ => Unknown,
    }
}

/// The general code: the schema or the transaction is not what it should be, or our statement is wrong.
fn of_message(message: &str) -> ErrorClass {
    let is_missing = message.starts_with("no such") || message.contains("has no column named");
    let is_astray = message.starts_with("cannot ") && message.contains("transaction");
    match message {
        "too many SQL variables" => TooLarge,
        _ if is_missing || is_astray => Outage,
        _ => Unknown,
    }
}
