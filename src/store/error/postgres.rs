//! SQLSTATE, class by class (PostgreSQL manual, appendix A).

use super::ErrorClass::{self, Outage, Permanent, Retry, TooLarge};

pub(super) fn classify(code: &str) -> ErrorClass {
    match code {
        // The text of a statement does not depend on values, but on how many rows there are: a
        // mistake in making it is ours, and others must get past it.
        "42601" => Retry,
        "23502" | "23514" => Permanent,
        // The transaction's own constraint, not a conflict with others.
        "40002" => Retry,
        _ => of_class(code.get(..2).unwrap_or_default()),
    }
}

fn of_class(class: &str) -> ErrorClass {
    match class {
        // Connection; no feature: as when a cached plan no longer fits; begin of a transaction.
        "08" | "0A" | "0B"
        // Grantor, role, authorization, privileges that others depend on.
        | "0L" | "0P" | "28" | "2B"
        // Cursor, transaction, prepared statement, end of a transaction, savepoint: the session.
        | "24" | "25" | "26" | "2D" | "34" | "3B"
        // Database, schema; tables, columns and rights: not as this release needs it.
        | "3D" | "3F" | "42"
        // Serialization and deadlock, not in the state for it, which means locks, too.
        | "40" | "55"
        // Resources, operator, system, snapshot, configuration, foreign data.
        | "53" | "57" | "58" | "72" | "F0" | "HV" => Outage,
        // A program's limits: the length of an index row, the depth of a stack.
        "54" => TooLarge,
        // Data; a view's check.
        "22" | "44" => Permanent,
        // Constraints, triggers and functions of others, damage, and what is not known.
        _ => Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every class of the appendix, with one code that it has.
    const CLASSES: [(&str, ErrorClass); 44] = [
        ("00000", Retry),
        ("01000", Retry),
        ("02000", Retry),
        ("03000", Retry),
        ("08006", Outage),
        ("09000", Retry),
        ("0A000", Outage),
        ("0B000", Outage),
        ("0F001", Retry),
        ("0L000", Outage),
        ("0P000", Outage),
        ("0Z000", Retry),
        ("20000", Retry),
        ("21000", Retry),
        ("22021", Permanent),
        ("23505", Retry),
        ("24000", Outage),
        ("25P02", Outage),
        ("26000", Outage),
        ("27000", Retry),
        ("28P01", Outage),
        ("2B000", Outage),
        ("2D000", Outage),
        ("2F003", Retry),
        ("34000", Outage),
        ("38001", Retry),
        ("39001", Retry),
        ("3B001", Outage),
        ("3D000", Outage),
        ("3F000", Outage),
        ("40001", Outage),
        ("42501", Outage),
        ("44000", Permanent),
        ("53100", Outage),
        ("54000", TooLarge),
        ("55000", Outage),
        ("57014", Outage),
        ("58030", Outage),
        ("72000", Outage),
        ("F0000", Outage),
        ("HV000", Outage),
        ("P0001", Retry),
        ("XX000", Retry),
        ("XX001", Retry),
    ];

    #[test]
    fn every_class_is_decided() {
        for (code, class) in CLASSES {
            assert_eq!(classify(code), class, "{code}");
        }
    }

    #[test]
    fn some_codes_differ_from_their_class() {
        let codes = [
            // Read-only standby; a missing table and column.
            ("25006", Outage),
            ("42P01", Outage),
            ("42703", Outage),
            ("42601", Retry),
            // Deadlock, lock not available.
            ("40P01", Outage),
            ("40002", Retry),
            ("55P03", Outage),
            // Not null, check, foreign key.
            ("23502", Permanent),
            ("23514", Permanent),
            ("23503", Retry),
            ("", Retry),
        ];
        for (code, class) in codes {
            assert_eq!(classify(code), class, "{code}");
        }
    }
}
