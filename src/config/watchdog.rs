//! `[watchdog]`: how sessions of sources with an API are watched.

use super::reader::Reader;
use super::source::SourceConfig;
use crate::watchdog::{Remedies, WatchdogOptions};

/// What can be done, in the order in which it is.
const REMEDIES: [&str; 3] = ["reconcile", "warn", "restart"];
/// From ten seconds to an hour.
const EVERY_MS: std::ops::RangeInclusive<u64> = 10_000..=3_600_000;
/// From a minute to a day.
const WAIT_MS: std::ops::RangeInclusive<u64> = 60_000..=86_400_000;

/// None if no source says where its API is, or if it is off. Without a reconciler nothing is given to it.
pub(super) fn read(
    reader: &mut Reader,
    sources: &[SourceConfig],
    is_reconciled: bool,
) -> Option<WatchdogOptions> {
    let is_enabled = reader.flag("watchdog.enabled");
    let every = reader.duration("watchdog.every_ms", EVERY_MS);
    let remedies = read_remedies(reader, "watchdog.remedies");
    let restart_after = reader.duration("watchdog.restart_after_ms", WAIT_MS);
    let restart_wait = reader.duration("watchdog.restart_wait_ms", WAIT_MS);
    let is_possible = sources.iter().any(|source| source.waha.is_some());
    if is_enabled && is_possible && remedies.reconcile && !is_reconciled {
        reader.note(
            "watchdog.remedies: \"reconcile\" does nothing, because reconcile.enabled is false: what webhooks do not \
             tell is not found again",
        );
    }
    let remedies = Remedies { reconcile: remedies.reconcile && is_reconciled, ..remedies };
    let options = WatchdogOptions { every, remedies, restart_after, restart_wait };
    (is_enabled && is_possible).then_some(options)
}

fn read_remedies(reader: &mut Reader, key: &str) -> Remedies {
    let told = reader.list(key);
    let strange = told.iter().find(|word| !REMEDIES.contains(&word.as_str()));
    let strange = strange.map(|word| format!("; {word:?} is none")).unwrap_or_default();
    let problem = format_args!("must be a list of: {}{strange}", REMEDIES.join(", "));
    reader.check(key, strange.is_empty(), problem);
    let [reconcile, warn, restart] = REMEDIES.map(|remedy| told.iter().any(|word| word == remedy));
    Remedies { reconcile, warn, restart }
}
