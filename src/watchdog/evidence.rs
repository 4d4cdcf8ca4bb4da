//! What is known of a session at a moment, and what WAHA's counter says. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::operations::watches::WatchRow;
use crate::waha_api::EngineState;

/// For so long a webhook may be on its way.
pub(super) const ON_ITS_WAY: TimeDelta = TimeDelta::minutes(2);

/// What WAHA's counter of messages says beside what arrived here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CounterWitness {
    /// Nothing: it is not counted, or for the first time.
    #[default]
    Untold,
    /// Nobody wrote anything.
    Still,
    /// Messages were told, and something of the session arrived since.
    Arrived,
    /// Messages were told, and may be on their way.
    OnTheWay,
    /// Messages were told, and nothing arrived.
    Ahead,
}

impl Evidence {
    /// Up to when something was heard, by whichever clock is ahead.
    pub(super) fn heard_until(&self) -> Option<DateTime<Utc>> {
        self.heard_at.max(self.told_at)
    }

    /// Whether the newest message of WAHA's store is newer than what was heard.
    pub(super) fn is_newer_in_store(&self) -> bool {
        let newer = self.newest_at.zip(self.heard_until());
        newer.is_some_and(|(newest_at, heard)| newest_at > heard + ON_ITS_WAY)
    }
}

/// What is known of a session.
#[expect(clippy::struct_excessive_bools, reason = "each is something that was seen or not")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// WAHA's word.
    pub(super) status: String,
    /// Whether another worker of WAHA runs it, so that this one knows nothing of it.
    pub(super) is_elsewhere: bool,
    /// What its engine says.
    pub(super) engine: EngineState,
    /// When the newest message of somebody else was sent that WAHA has stored.
    pub(super) newest_at: Option<DateTime<Utc>>,
    /// Whether WAHA failed when it was asked for that.
    pub(super) has_failed: bool,
    /// Whether WAHA did not answer at all when it was asked about the session.
    pub(super) is_unanswered: bool,
    /// What WAHA's counter says.
    pub(super) counter: CounterWitness,
    /// Whether nothing came from it for longer than is usual for it.
    pub(super) is_silent: bool,
    /// When the last webhook came from it that has ended.
    pub(super) heard_at: Option<DateTime<Utc>>,
    /// When that was told by WAHA's clock, where it is looked at: ours may be behind that of WhatsApp, by which messages
    /// have their times.
    pub(super) told_at: Option<DateTime<Utc>>,
    /// Up to when all that came has ended; none if that is not known.
    pub(super) ended_until: Option<DateTime<Utc>>,
}

/// Compares WAHA's count with the one that was last known to have arrived. Writes into the row from when on the next
/// one is compared.
pub(super) fn read_counter(
    row: &mut WatchRow,
    count: Option<u64>,
    evidence: &Evidence,
    now: DateTime<Utc>,
) -> CounterWitness {
    let before = row.emitted.zip(row.emitted_at);
    let count = count.and_then(|count| i64::try_from(count).ok());
    let (witness, keeps) = compare(before, count, evidence, now);
    if !keeps {
        (row.emitted, row.emitted_at) = (count, count.map(|_| now));
    }
    witness
}

/// Also whether the next count is compared with the same one.
fn compare(
    before: Option<(i64, DateTime<Utc>)>,
    count: Option<i64>,
    evidence: &Evidence,
    now: DateTime<Utc>,
) -> (CounterWitness, bool) {
    let (Some((before, at)), Some(count)) = (before, count) else {
        return (CounterWitness::Untold, false);
    };
    if count == before {
        return (CounterWitness::Still, false);
    }
    // WAHA started anew.
    if count < before {
        return (CounterWitness::Untold, false);
    }
    // Told after that time, so a webhook that arrived since may be one of them.
    if evidence.heard_at.is_some_and(|heard_at| heard_at >= at) {
        return (CounterWitness::Arrived, false);
    }
    let all_ended = evidence.ended_until.is_some_and(|until| until >= at + ON_ITS_WAY);
    let is_due = now - at >= ON_ITS_WAY;
    (if all_ended && is_due { CounterWitness::Ahead } else { CounterWitness::OnTheWay }, true)
}

#[cfg(test)]
mod tests {
    use super::CounterWitness as W;
    use super::*;

    #[test]
    fn a_count_that_rises_while_nothing_arrives_is_ahead() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let ago = |minutes| now - TimeDelta::minutes(minutes);
        let witness = |count, heard_at: Option<DateTime<Utc>>, ended_until| {
            let evidence = Evidence { heard_at, ended_until, ..Evidence::default() };
            compare(Some((7, ago(3))), Some(count), &evidence, now)
        };
        assert_eq!(witness(9, Some(ago(5)), Some(now)), (W::Ahead, true));
        assert_eq!(witness(9, Some(ago(2)), Some(now)), (W::Arrived, false));
        assert_eq!(witness(9, Some(ago(5)), Some(ago(4))), (W::OnTheWay, true), "the worker lags");
        assert_eq!(witness(9, Some(ago(5)), None), (W::OnTheWay, true), "nobody knows");
        assert_eq!(witness(7, Some(ago(5)), Some(now)), (W::Still, false));
        assert_eq!(witness(2, Some(ago(5)), Some(now)), (W::Untold, false), "WAHA started anew");
        let fresh = Evidence { heard_at: Some(ago(5)), ..Evidence::default() };
        assert_eq!(compare(Some((7, ago(1))), Some(9), &fresh, now), (W::OnTheWay, true));
        assert_eq!(compare(None, Some(9), &fresh, now), (W::Untold, false));
        assert_eq!(compare(Some((7, ago(1))), None, &fresh, now), (W::Untold, false));
    }
}
