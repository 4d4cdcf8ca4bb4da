//! Times as people read them: RFC 3339 in UTC wherever a moment is shown.

use chrono::{DateTime, SecondsFormat, Utc};

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
    fn spans_have_two_units() {
        assert_eq!([999, 61_000, 3_700_000].map(span), ["0 s", "1 min 1 s", "1 h 1 min"]);
        assert_eq!(span(90_000_000), "1 d 1 h");
    }
}
