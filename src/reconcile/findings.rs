//! What comparing found, by the hour in which messages were sent. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

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
    /// Hours in which WAHA lists something that can't be read.
    unreadable: BTreeSet<DateTime<Utc>>,
    /// Why it is not known whether all was listed.
    doubt: Option<&'static str>,
}

impl Findings {
    pub(super) fn new(window: ReconciliationWindow) -> Self {
        let (hours, listed) = (BTreeMap::new(), HashSet::new());
        Self { window, hours, listed, unreadable: BTreeSet::new(), doubt: None }
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

    /// WAHA lists something that was sent then and can't be read: it may be a message that is missing.
    pub(super) fn list_unreadable(&mut self, at: DateTime<Utc>) {
        if let Some(hour) = self.hour(at) {
            hour.listed += 1;
            self.unreadable.insert(hour_of(at));
        }
    }

    /// Nobody knows whether WAHA listed all.
    pub(super) fn doubt(&mut self, reason: &'static str) {
        self.doubt = Some(reason);
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

    /// The hours in which there is anything.
    pub(super) fn end(self) -> Vec<HourFinding> {
        let Self { window, unreadable, doubt, .. } = &self;
        let state = |hour: DateTime<Utc>| match doubt {
            Some(reason) => HourState::Unknown(reason),
            None if unreadable.contains(&hour) => HourState::Unknown("unreadable"),
            None if hour < window.from || hour + TimeDelta::hours(1) > window.until => {
                HourState::Partial
            }
            None => HourState::Complete,
        };
        let hours = self.hours.values();
        hours.map(|hour| HourFinding { state: state(hour.hour), ..*hour }).collect()
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
        let hours = findings.end();
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
        findings.doubt("list_unstable");
        assert_eq!(findings.end()[0].state, HourState::Unknown("list_unstable"));
        let mut findings = Findings::new(ReconciliationWindow { from: at(0), until: at(180) });
        for minutes in [1, 61, 121] {
            findings.list(at(minutes), Some(minutes));
        }
        findings.list_unreadable(at(62));
        let states: Vec<HourState> = findings.end().into_iter().map(|hour| hour.state).collect();
        let unreadable = HourState::Unknown("unreadable");
        assert_eq!(states, [HourState::Complete, unreadable, HourState::Complete]);
    }
}
