//! Times: seconds, fractions, milliseconds and RFC 3339 occur in one field (WAHA's engines differ).

use chrono::{DateTime, Utc};

use super::json::{Node, Value};
use crate::clock::storable;

/// Above this a number is milliseconds: in seconds it would be the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;
/// The last second that every database can store.
const SECONDS_MAX: i64 = 253_402_300_799;

/// The time at a place; none when absent, absurd (zero, negative, after the year 9999) or no time.
pub fn time(node: Node<'_>) -> Option<DateTime<Utc>> {
    match node.value()? {
        Value::Number(number) => from_number(number.as_f64()?),
        Value::Str(text) => from_text(text.trim()),
        // A 64-bit number of a protobuf library: {low, high, unsigned}.
        Value::Object(_) => from_long(node.at("low").int()?, node.at("high").int()?),
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

fn from_text(text: &str) -> Option<DateTime<Utc>> {
    match text.parse::<f64>() {
        Ok(number) => from_number(number),
        Err(_) => {
            DateTime::parse_from_rfc3339(text).ok().and_then(|time| believable(time.to_utc()))
        }
    }
}

fn from_long(low: i64, high: i64) -> Option<DateTime<Utc>> {
    #[expect(clippy::cast_precision_loss, reason = "times are far below 2^53")]
    from_number(((high << 32) | (low & 0xffff_ffff)) as f64)
}

fn from_number(number: f64) -> Option<DateTime<Utc>> {
    let milliseconds = if number > MILLISECONDS_FROM { number } else { number * 1000.0 };
    if !milliseconds.is_finite() || milliseconds.abs() > 1e15 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked above")]
    DateTime::from_timestamp_millis(milliseconds as i64).and_then(believable)
}

/// A time that can be one of WhatsApp, as it is stored.
fn believable(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let time = storable(time);
    (1..=SECONDS_MAX).contains(&time.timestamp()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waha::json::parse;

    fn ms(json: &str) -> Option<i64> {
        let value = parse(json).unwrap();
        time(Node::from(&value)).map(|time| time.timestamp_millis())
    }

    #[test]
    fn units_are_told_apart_by_size() {
        assert_eq!(ms("1776240200"), Some(1_776_240_200_000));
        assert_eq!(ms("1776240200733"), Some(1_776_240_200_733));
        assert_eq!(ms("1710481111.853"), Some(1_710_481_111_853));
        assert_eq!(ms("\"1776240200\""), Some(1_776_240_200_000));
        assert_eq!(ms("\"2026-04-15T10:03:20+02:00\""), Some(1_776_240_200_000));
        assert_eq!(ms(r#"{"low":1776240200,"high":0,"unsigned":true}"#), Some(1_776_240_200_000));
    }

    #[test]
    fn a_leap_second_is_the_beginning_of_the_next_minute() {
        assert_eq!(ms("\"2026-04-15T08:03:60.5Z\""), Some(1_776_240_240_000));
        assert_eq!(ms("\"9999-12-31T23:59:60Z\""), None);
    }

    #[test]
    fn absurd_times_are_none() {
        for absurd in
            ["0", "-5", "null", "true", "[]", "\"soon\"", "1e300", "\"0001-01-01T00:00:00Z\""]
        {
            assert_eq!(ms(absurd), None, "{absurd}");
        }
    }
}
