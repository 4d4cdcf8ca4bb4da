//! The month that a webhook belongs to: that of the time which its body tells. Pure.
//!
//! Invariant: it follows from the signed body alone, never from headers, arrival or a clock. So it is the same at
//! every repetition, and can be part of the identity by which the ledger knows a webhook.

use chrono::{DateTime, Datelike};
use serde::Deserialize;

use super::envelope::Scalar;
use crate::strict_json::Object;

/// The month of a body that tells no time, or one that can't be.
pub const NO_MONTH: i32 = 0;
/// There was no WhatsApp before.
pub const FIRST_MONTH: i32 = 200_901;
/// A clock that is wrong by decades.
pub const LAST_MONTH: i32 = 209_912;

/// Above this a number is milliseconds: in seconds it would be the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    timestamp: Scalar,
}

/// The month, in UTC, of the time that a body tells, as a number such as 202611; [`NO_MONTH`] if it tells none.
pub fn month_of(body: &[u8]) -> i32 {
    let Ok(Object(wire)) = serde_json::from_slice::<Object<Wire>>(body) else { return NO_MONTH };
    wire.timestamp.milliseconds().and_then(month_of_number).unwrap_or(NO_MONTH)
}

fn month_of_number(number: i64) -> Option<i32> {
    let ms = if number > MILLISECONDS_FROM { number } else { number.checked_mul(1_000)? };
    let at = DateTime::from_timestamp_millis(ms)?;
    let month = at.year().checked_mul(100)?.checked_add(i32::try_from(at.month()).ok()?)?;
    (FIRST_MONTH..=LAST_MONTH).contains(&month).then_some(month)
}

/// The month after another one.
pub fn month_after(month: i32) -> i32 {
    if month % 100 >= 12 { (month / 100 + 1) * 100 + 1 } else { month + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_is_that_of_the_bodys_own_time() {
        let bodies = [
            (r#"{"timestamp":1776240200733}"#, 202_604),
            (r#"{"timestamp":1776240200}"#, 202_604),
            (r#"{"timestamp":"1776240200733"}"#, 202_604),
            (r#"{"timestamp":"1776240200.5"}"#, 202_604),
            (r#"{"timestamp":1776240200.5}"#, 202_604),
            // The last and the first moment of a month, in UTC.
            (r#"{"event":"message","timestamp":1777593599999}"#, 202_604),
            (r#"{"event":"message","timestamp":1777593600000}"#, 202_605),
            (r#"{"timestamp":1230768000000}"#, 200_901),
            (r#"{"timestamp":4102444799999}"#, 209_912),
        ];
        for (body, month) in bodies {
            assert_eq!(month_of(body.as_bytes()), month, "{body}");
        }
    }

    #[test]
    fn none_or_an_absurd_time_is_no_month() {
        let absurd = [
            "0",
            "-5",
            "null",
            "true",
            "[]",
            "{}",
            "\"soon\"",
            "\"\"",
            "1e300",
            "1230767999999",
            "4102444800000",
            "99999999999999999",
            "18446744073709551615",
            "-9223372036854775808",
        ];
        for time in absurd {
            assert_eq!(month_of(format!(r#"{{"timestamp":{time}}}"#).as_bytes()), 0, "{time}");
        }
        for body in ["", "{", "[]", "{}", r#"{"payload":{"timestamp":1776240200}}"#] {
            assert_eq!(month_of(body.as_bytes()), NO_MONTH, "{body}");
        }
    }

    #[test]
    fn a_year_ends_with_its_twelfth_month() {
        assert_eq!([month_after(202_611), month_after(202_612)], [202_612, 202_701]);
    }
}
