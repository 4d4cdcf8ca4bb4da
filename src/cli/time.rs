//! Times as people read them: RFC 3339 in UTC wherever a moment is shown.

use chrono::{DateTime, SecondsFormat, Utc};

pub(super) use crate::figures::span;

/// To the second.
pub(super) fn short(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// As exact as it is known, as JSON has it.
pub(super) fn exact(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
