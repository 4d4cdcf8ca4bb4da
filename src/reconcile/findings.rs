//! What comparing found, by the hour in which messages were sent. Pure.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::change::Version;
use crate::store::operations::reconciliations::{
    HourFinding, HourState, OurMessage, ReconciliationWindow,
};

/// What was found so far in a window.
pub(super) struct Findings {
    window: ReconciliationWindow,
    hours: BTreeMap<DateTime<Utc>, HourFinding>,
    /// Rows of messages that WAHA lists.
    listed: HashSet<i64>,
}

impl Findings {
    pub(super) fn new(window: ReconciliationWindow) -> Self {
        Self { window, hours: BTreeMap::new(), listed: HashSet::new() }
    }

    /// WAHA lists a message that was sent then; `row`: where it is here, if it is.
    pub(super) fn list(&mut self, at: DateTime<Utc>, row: Option<i64>) {
        if let Some(row) = row {
            self.listed.insert(row);
        }
        if let Some(hour) = self.hour(at) {
            hour.listed += 1;
            hour.refused += u32::from(row.is_none());
        }
    }

    /// A message is here that was sent then.
    pub(super) fn have(&mut self, message: &OurMessage) {
        let is_listed = self.listed.contains(&message.id);
        let Some(hour) = self.hour(message.sent_at) else { return };
        if Version::stored(message.content_version).is_backfilled() {
            hour.backfilled += 1;
        } else {
            hour.live += 1;
        }
        if !is_listed {
            hour.only_here += 1;
            hour.revoked_here += u32::from(message.revoked_at.is_some());
        }
    }

    /// The hours in which there is anything. `reason`: why it is not known whether anything is missing.
    pub(super) fn end(self, reason: Option<&'static str>) -> Vec<HourFinding> {
        let window = self.window;
        let state = |hour: DateTime<Utc>| match reason {
            Some(reason) => HourState::Unknown(reason),
            None if hour < window.from || hour + TimeDelta::hours(1) > window.until => {
                HourState::Partial
            }
            None => HourState::Complete,
        };
        let hours = self.hours.into_values();
        hours.map(|hour| HourFinding { state: state(hour.hour), ..hour }).collect()
    }

    /// That of a time within the window.
    fn hour(&mut self, at: DateTime<Utc>) -> Option<&mut HourFinding> {
        let ReconciliationWindow { from, until } = self.window;
        let hour = hour_of(at);
        let is_within = from <= at && at < until;
        is_within.then(|| self.hours.entry(hour).or_insert_with(|| HourFinding::of(hour)))
    }
}

/// When the hour of a time begins.
pub(super) fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn message(id: i64, minutes: i64, is_live: bool, is_revoked: bool) -> OurMessage {
        let version = Version::at(1_790_000_000_000, 0);
        let version = if is_live { version } else { version.backfilled() };
        let content_version = version.get();
        let revoked_at = is_revoked.then_some(at(minutes));
        OurMessage { id, sent_at: at(minutes), content_version, revoked_at }
    }

    #[test]
    fn hours_say_what_came_what_was_found_and_what_is_only_here() {
        let mut findings = Findings::new(ReconciliationWindow { from: at(60), until: at(150) });
        findings.list(at(61), Some(1));
        findings.list(at(62), Some(2));
        findings.list(at(63), None);
        findings.list(at(59), Some(9));
        for (id, is_live, is_revoked) in
            [(1, true, false), (2, false, false), (3, true, true), (4, true, false)]
        {
            findings.have(&message(id, 61, is_live, is_revoked));
        }
        findings.have(&message(5, 130, true, false));
        findings.have(&message(6, 151, true, false));
        let hours = findings.end(None);
        let [first, second] = hours.as_slice() else { panic!("{hours:?}") };
        let expected = HourFinding {
            listed: 3,
            live: 3,
            backfilled: 1,
            only_here: 2,
            revoked_here: 1,
            refused: 1,
            ..HourFinding::of(at(60))
        };
        assert_eq!(*first, expected);
        let half = HourFinding { live: 1, only_here: 1, ..HourFinding::of(at(120)) };
        assert_eq!(*second, HourFinding { state: HourState::Partial, ..half });
    }

    #[test]
    fn what_could_not_be_compared_is_unknown() {
        let mut findings = Findings::new(ReconciliationWindow { from: at(0), until: at(60) });
        findings.list(at(1), Some(1));
        let hours = findings.end(Some("list_unstable"));
        assert_eq!(hours[0].state, HourState::Unknown("list_unstable"));
    }
}
