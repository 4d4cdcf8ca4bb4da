//! Times as people write them.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{Clock, SystemClock};

/// A day (UTC), a moment with its zone, or how long ago.
pub(crate) fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
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

#[cfg(test)]
mod tests {
    use super::parse_time as parse;
    use super::*;

    #[test]
    fn times_are_days_or_moments() {
        assert_eq!(parse("2026-11-20").unwrap().to_rfc3339(), "2026-11-20T00:00:00+00:00");
        assert_eq!(parse("2026-11-20T02:00:00+02:00").unwrap(), parse("2026-11-20").unwrap());
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
}
