//! SQLSTATE, in the order of the table.

use super::ErrorClass::{self, Conflict, Contradiction, Outage, TooLarge, Unknown};

pub(super) fn classify(code: &str) -> ErrorClass {
    match code {
        // Nobody knows whether it was committed, because the connection is gone.
        "40003" => Outage,
        // No index has the columns of a key: it was made anew.
        "42P10" => Conflict,
        // No numbers left for ids.
        "2200H" => Outage,
        // Not null, check.
        "23502" | "23514" => Contradiction,
        // The transaction's own constraint, not a conflict with others.
        "40002" => Unknown,
        // The text of a statement does not depend on values, but on how many rows there are: a
        // mistake in making it is ours, and others must get past it.
        "42601" => Unknown,
        _ => of_class(code.get(..2).unwrap_or_default()),
    }
}

fn of_class(class: &str) -> ErrorClass {
    match class {
        // Connection; grantor, role, authorization, privileges that others depend on.
        "08" | "0L" | "0P" | "28" | "2B"
        // Resources; no feature, as when a cached plan no longer fits; database, schema; tables,
        // columns and rights.
        | "53" | "0A" | "3D" | "3F" | "42"
        // Not in the state for it, which means locks, too; operator; system, snapshot,
        // configuration, foreign data.
        | "55" | "57" | "58" | "72" | "F0" | "HV"
        // Begin of a transaction, cursor, transaction, prepared statement, end of a transaction,
        // cursor's name, savepoint: the session.
        | "0B" | "24" | "25" | "26" | "2D" | "34" | "3B" => Outage,
        "40" => Conflict,
        // A program's limits: the length of an index row, the depth of a stack.
        "54" => TooLarge,
        // Data; a view's check.
        "22" | "44" => Contradiction,
        _ => Unknown,
    }
}
