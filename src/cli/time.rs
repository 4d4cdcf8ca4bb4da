//! Times as people write and read them.

use chrono::{DateTime, NaiveDate, Utc};

/// A day (UTC), or a moment with its zone.
pub(super) fn parse(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let time = DateTime::parse_from_rfc3339(text);
    Ok(time.map_err(|_| "neither a day nor a time with its zone".to_owned())?.to_utc())
}

/// To the second, in UTC.
pub(super) fn short(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_moments() {
        assert_eq!(parse("2026-11-20").unwrap().to_rfc3339(), "2026-11-20T00:00:00+00:00");
        assert_eq!(parse("2026-11-20T02:00:00+02:00").unwrap(), parse("2026-11-20").unwrap());
        assert!(parse("yesterday").is_err() && parse("2026-11-20T08:00:00").is_err());
    }
}
