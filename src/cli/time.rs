//! Times as people write and read them: RFC 3339 in UTC wherever a moment is shown.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};

use crate::clock::{Clock, SystemClock};

/// A day (UTC), a moment with its zone, or how long ago.
pub(super) fn parse(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    if let Some(ago) = ago(text) {
        return Ok(SystemClock.now() - ago);
    }
    let time = DateTime::parse_from_rfc3339(text);
    let allowed = "neither how long ago (90s, 30m, 12h, 7d, 2w) nor a day (2026-11-20) nor a time with \
                   its zone (2026-11-20T08:00:00Z)";
    Ok(time.map_err(|_| allowed.to_owned())?.to_utc())
}

/// Such as `12h`.
fn ago(text: &str) -> Option<TimeDelta> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    // Beyond a century nothing was recorded, and dates have an end.
    let number: i64 = number.parse::<u32>().ok()?.into();
    TimeDelta::try_seconds(number * seconds).filter(|ago| ago.num_weeks() <= 5_200)
}

/// To the second.
pub(super) fn short(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// As exact as it is known, as JSON has it.
pub(super) fn exact(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A length of time in its two largest units.
pub(super) fn span(ms: i64) -> String {
    let s = ms / 1000;
    match s {
        ..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_or_moments() {
        assert_eq!(parse("2026-11-20").unwrap().to_rfc3339(), "2026-11-20T00:00:00+00:00");
        assert_eq!(parse("2026-11-20T02:00:00+02:00").unwrap(), parse("2026-11-20").unwrap());
        assert_eq!(short(parse("2026-11-20T02:00:00+02:00").unwrap()), "2026-11-20T00:00:00Z");
        for wrong in
            ["yesterday", "2026-11-20T08:00:00", "", "h", "-1h", "1.5h", "9999999999w", "1é"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_so_long_ago() {
        for (text, seconds) in
            [("90s", 90), ("2m", 120), ("1h", 3_600), ("3d", 259_200), ("1w", 604_800)]
        {
            let ago = (SystemClock.now() - parse(text).unwrap()).num_seconds();
            assert!((seconds..seconds + 5).contains(&ago), "{text}: {ago}");
        }
    }

    #[test]
    fn spans_have_two_units() {
        assert_eq!([999, 61_000, 3_700_000].map(span), ["0 s", "1 min 1 s", "1 h 1 min"]);
        assert_eq!(span(90_000_000), "1 d 1 h");
    }
}
