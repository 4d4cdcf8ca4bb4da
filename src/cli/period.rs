//! A period that a filter names, whatever command it belongs to.

use chrono::{DateTime, Utc};
use clap::ArgMatches;

/// Whether anything can be between `--since` and `--until`, where both are given; else what is wrong. The API refuses
/// the same.
pub(super) fn check(matches: &ArgMatches) -> Result<(), &'static str> {
    let time = |name| matches.try_get_one::<DateTime<Utc>>(name).ok().flatten();
    if let (Some(since), Some(until)) = (time("since"), time("until"))
        && since >= until
    {
        return Err("--since must be before --until: nothing came between them");
    }
    matches.subcommand().map_or(Ok(()), |(_, deeper)| check(deeper))
}
