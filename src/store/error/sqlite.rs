//! Result codes (sqlite.org/rescode.html); the low byte of an extended one is the primary one.

use super::ErrorClass::{self, Outage, Permanent, Retry, TooLarge};

pub(super) fn classify(code: i32, message: &str) -> ErrorClass {
    match code & 0xff {
        1 => of_message(message),
        // Rights: perm, auth. Stopped: abort, interrupt. Others: busy, locked, protocol.
        3 | 23 | 4 | 9 | 5 | 6 | 15
        // Memory, read-only, I/O, full, can't open, changed, no large files, no database.
        | 7 | 8 | 10 | 13 | 14 | 17 | 22 | 26 => Outage,
        18 => TooLarge,
        19 => of_constraint(code),
        // Mismatch.
        20 => Permanent,
        // Internal, corrupt, not found, misuse, format, range, and what is not known.
        _ => Retry,
    }
}

/// The general code: the schema or the transaction is not what it should be, or our statement is wrong.
fn of_message(message: &str) -> ErrorClass {
    let is_missing = message.starts_with("no such") || message.contains("has no column named");
    let is_astray = message.starts_with("cannot ") && message.contains("transaction");
    if is_missing || is_astray { Outage } else { Retry }
}

/// Not null, check and datatype are for good. What a foreign key refers to may have vanished between
/// reading and writing; triggers and functions are somebody else's; the rest is not expected.
fn of_constraint(code: i32) -> ErrorClass {
    match code {
        1299 | 275 | 3091 => Permanent,
        _ => Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_primary_code_is_decided() {
        let outages = [3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 17, 22, 23, 26];
        for code in 2..=28 {
            let class = match code {
                _ if outages.contains(&code) => Outage,
                18 => TooLarge,
                20 => Permanent,
                _ => Retry,
            };
            assert_eq!(classify(code, ""), class, "{code}");
        }
    }

    #[test]
    fn extended_codes_and_messages() {
        let cases = [
            // I/O at fsync and at write, a snapshot that is too old, a rollback of somebody else.
            (1034, "", Outage),
            (778, "", Outage),
            (517, "", Outage),
            (516, "", Outage),
            // Not null, check, datatype; foreign key, trigger, unique, primary key.
            (1299, "", Permanent),
            (275, "", Permanent),
            (3091, "", Permanent),
            (787, "", Retry),
            (1811, "", Retry),
            (2067, "", Retry),
            (1555, "", Retry),
            (1, "no such table: waha_chats", Outage),
            (1, "table waha_chats has no column named kind", Outage),
            (1, "cannot start a transaction within a transaction", Outage),
            (1, "cannot commit - no transaction is active", Outage),
            (1, "near \"SELEC\": syntax error", Retry),
        ];
        for (code, message, class) in cases {
            assert_eq!(classify(code, message), class, "{code} {message}");
        }
    }
}
