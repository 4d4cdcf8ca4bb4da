//! `[retention]`: for how long things are kept, of all sources and of some for a time of their own.

use std::time::Duration;

use super::reader::Reader;
use super::source::SourceConfig;
use super::{LEDGER_AGE_LEAST, days};
use crate::names;
use crate::retention::{OwnAge, Retention, RetentionKind};

/// What holds for sources of their own.
const OWN: &str = "retention.sources";

pub(super) fn read(
    reader: &mut Reader,
    feed_age_max: Option<Duration>,
    sources: &[SourceConfig],
) -> Retention {
    let of_all = Retention {
        bodies_age_max: days(reader, "ledger.body_days"),
        ledger_age_max: ledger_days(reader),
        messages_age_max: days(reader, "retention.message_days"),
        calls_age_max: days(reader, "retention.call_days"),
        statuses_age_max: days(reader, "retention.status_days"),
        feed_age_max,
        letters_age_max: days(reader, "retention.dead_letter_days"),
        audit_age_max: days(reader, "retention.audit_days"),
        probes_age_max: days(reader, "retention.probe_days"),
        own_ages: Vec::new(),
        hour: reader.number("retention.hour", 0, 23),
        rows_per_second: reader.number("retention.rows_per_second", 1, 1_000_000),
    };
    let own_ages = own_ages(reader, sources, &of_all);
    Retention { own_ages, ..of_all }
}

/// A delivery may come again long after it was applied, as from a worker that was frozen.
fn ledger_days(reader: &mut Reader) -> Option<Duration> {
    let key = "retention.ledger_days";
    let age_max = days(reader, key);
    let is_long = age_max.is_none_or(|age| age >= LEDGER_AGE_LEAST);
    reader.check(key, is_long, "must be 0 or at least 7, longer than a delivery can be on its way");
    age_max
}

/// `[retention.sources.NAME]`: what is told of each.
fn own_ages(reader: &mut Reader, sources: &[SourceConfig], of_all: &Retention) -> Vec<OwnAge> {
    let mut ages = Vec::new();
    for source in reader.names_below(OWN) {
        if is_source(reader, &source, sources) {
            let kinds = RetentionKind::ALL.into_iter();
            ages.extend(kinds.filter_map(|kind| own_age(reader, &source, kind, of_all)));
        }
    }
    ages
}

/// Whether there is such a source. A process that is told none, as one that works alone may be, can't know.
fn is_source(reader: &mut Reader, name: &str, sources: &[SourceConfig]) -> bool {
    let is_known = sources.is_empty() || sources.iter().any(|source| source.name == name);
    if !is_known {
        let section = format!("{OWN}.{name}");
        let known = sources.iter().map(|source| source.name.clone());
        reader.check(&section, false, names::unknown("source", name, known));
        reader.skip_below(&section);
    }
    is_known
}

/// None if it is not told; then the age of all holds, and is shown.
fn own_age(
    reader: &mut Reader,
    source: &str,
    kind: RetentionKind,
    of_all: &Retention,
) -> Option<OwnAge> {
    let key = format!("{OWN}.{source}.{}", kind.own_setting()?);
    if !reader.is_told(&key) {
        let days = of_all.age_max(kind).map_or(0, |age| age.as_secs() / (24 * 60 * 60));
        reader.show(&key, days);
        return None;
    }
    let age_max = days(reader, &key);
    Some(OwnAge { source: source.to_owned(), kind, age_max })
}

/// Bodies that go before their rows would be in no archive.
pub(super) fn check_archive(reader: &mut Reader, has_archive: bool, retention: &Retention) {
    let problem = "must be 0 with archive.url: bodies go with the ledger's rows, which are archived with them";
    let kind = RetentionKind::Bodies;
    for age in retention.ages(kind) {
        reader.check(&age.setting(kind), !has_archive || age.age_max.is_none(), problem);
    }
}
