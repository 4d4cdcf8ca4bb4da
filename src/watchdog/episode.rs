//! What follows from one finding after the other: when trouble is believed, and what is done about it. Pure.
//!
//! Trouble has a kind, and may change it: a session that is dead in one look and whose webhooks do not arrive in the
//! next has been in trouble since the first. It is told by another kind once that was found twice in a row. What
//! nobody could find out interrupts nothing. One look that finds it well ends it: a session that comes back by itself
//! again and again is told of each time and never started anew, because that would interrupt what reconnects; what it
//! missed is compared with WAHA's list.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::WatchdogOptions;
use super::verdict::Finding;
use crate::store::operations::watches::{ProbeKind, WatchRow, WatchVerdict};

/// So many findings in a row are believed: a connection that is made anew looks dead for a moment.
const BELIEVED: i32 = 2;
/// How often a session whose webhooks do not arrive is compared with WAHA's list.
const RECONCILE_EVERY: TimeDelta = TimeDelta::minutes(10);
/// The longest wait between two restarts; one that lived for so long begins anew.
const RESTART_WAIT_MAX: TimeDelta = TimeDelta::hours(24);
/// Doublings beyond which the wait does not grow.
const DOUBLINGS_MAX: u32 = 10;

/// What is done after a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The row as it is from now on.
    pub(super) row: WatchRow,
    /// Whether the history is to have the verdict.
    pub(super) is_told: bool,
    /// Whether trouble that somebody was warned of is over.
    pub(super) is_over: bool,
    /// What is done, in this order.
    pub(super) remedies: Vec<ProbeKind>,
}

/// What follows from a finding.
pub(super) fn follow(
    before: &WatchRow,
    finding: Finding,
    options: &WatchdogOptions,
    now: DateTime<Utc>,
) -> Step {
    let mut row = found(before, finding, now);
    let is_believed = !finding.verdict.is_trouble() || row.times >= BELIEVED;
    // That nothing is known changes nothing, and neither does what may pass.
    if finding.verdict == WatchVerdict::Unknown || !is_believed {
        return Step { row, is_told: false, is_over: false, remedies: Vec::new() };
    }
    let kind = kind(before, finding.verdict);
    let is_told = before.told.as_deref() != Some(kind.name());
    row.told = Some(kind.name().to_owned());
    if !finding.verdict.is_trouble() {
        row.warned_at = None;
        if finding.verdict == WatchVerdict::Alive && has_rested(&row, now) {
            row.restarts = 0;
        }
        let is_over = before.warned_at.is_some();
        return Step { row, is_told, is_over, remedies: Vec::new() };
    }
    let remedies = remedies(&mut row, finding.verdict, options, now);
    Step { row, is_told, is_over: false, remedies }
}

fn found(before: &WatchRow, finding: Finding, now: DateTime<Utc>) -> WatchRow {
    let (verdict, reason) = (finding.verdict.name().to_owned(), Some(finding.reason.to_owned()));
    let found = WatchRow { verdict, reason, ..before.clone() };
    if finding.verdict == WatchVerdict::Unknown {
        return found;
    }
    let stood = stood(before);
    let is_trouble = |verdict: WatchVerdict| verdict.is_trouble();
    let goes_on = stood == Some(finding.verdict)
        || (finding.verdict.is_trouble() && stood.is_some_and(is_trouble));
    if goes_on {
        WatchRow { times: before.times.saturating_add(1), ..found }
    } else {
        WatchRow { since_at: now, times: 1, ..found }
    }
}

/// What was found last; where that is not known, what was believed then.
fn stood(before: &WatchRow) -> Option<WatchVerdict> {
    let last = WatchVerdict::parse(&before.verdict).filter(|it| *it != WatchVerdict::Unknown);
    last.or_else(|| told(before))
}

fn told(row: &WatchRow) -> Option<WatchVerdict> {
    row.told.as_deref().and_then(WatchVerdict::parse)
}

/// What is believed by now. That a session is dead is the surest of what was found of one that was not in trouble
/// before.
fn kind(before: &WatchRow, verdict: WatchVerdict) -> WatchVerdict {
    let (last, told) = (stood(before), told(before).filter(|told| told.is_trouble()));
    match told {
        _ if !verdict.is_trouble() || last == Some(verdict) => verdict,
        Some(told) => told,
        None => last.filter(|last| *last == WatchVerdict::Dead).unwrap_or(verdict),
    }
}

/// Those that are due; the row says that they were done. Of a restart it does not: that has to wait for its turn.
fn remedies(
    row: &mut WatchRow,
    verdict: WatchVerdict,
    options: &WatchdogOptions,
    now: DateTime<Utc>,
) -> Vec<ProbeKind> {
    let mut due = Vec::new();
    if options.remedies.reconcile && is_reconcile_due(row, verdict, now) {
        row.reconciled_at = Some(now);
        due.push(ProbeKind::Reconcile);
    }
    if options.remedies.warn && row.warned_at.is_none() {
        row.warned_at = Some(now);
        due.push(ProbeKind::Warn);
    }
    if options.remedies.restart && is_restart_due(row, verdict, options, now) {
        due.push(ProbeKind::Restart);
    }
    due
}

/// Of a dead session WAHA's list has nothing new: once is enough.
fn is_reconcile_due(row: &WatchRow, verdict: WatchVerdict, now: DateTime<Utc>) -> bool {
    match verdict {
        WatchVerdict::Deaf => row.reconciled_at.is_none_or(|at| now - at >= RECONCILE_EVERY),
        WatchVerdict::Dead => row.reconciled_at.is_none_or(|at| at < row.since_at),
        _ => false,
    }
}

/// Only one that is believed to be dead: where webhooks do not arrive, the session works. One that WAHA refused counts
/// as none, but waits as after the first.
fn is_restart_due(
    row: &WatchRow,
    verdict: WatchVerdict,
    options: &WatchdogOptions,
    now: DateTime<Utc>,
) -> bool {
    let is_over = |since: DateTime<Utc>, least: TimeDelta| now - since >= least;
    let is_dead = [Some(verdict), told(row)] == [Some(WatchVerdict::Dead); 2];
    is_dead
        && is_over(row.since_at, delta(options.restart_after))
        && row.restarted_at.is_none_or(|at| is_over(at, wait(row.restarts, options)))
}

/// How long the next restart waits, after so many that WAHA took.
fn wait(restarts: i32, options: &WatchdogOptions) -> TimeDelta {
    let doublings = u32::try_from(restarts - 1).unwrap_or_default().min(DOUBLINGS_MAX);
    (delta(options.restart_wait) * 2_i32.pow(doublings)).min(RESTART_WAIT_MAX)
}

fn has_rested(row: &WatchRow, now: DateTime<Utc>) -> bool {
    row.restarted_at.is_none_or(|at| now - at >= RESTART_WAIT_MAX)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(RESTART_WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::WatchVerdict as V;
    use super::*;
    use crate::watchdog::Remedies;

    const ALL: Remedies = Remedies { reconcile: true, warn: true, restart: true };

    fn options(remedies: Remedies) -> WatchdogOptions {
        WatchdogOptions {
            every: Duration::from_mins(1),
            remedies,
            restart_after: Duration::from_mins(10),
            restart_wait: Duration::from_hours(1),
        }
    }

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn row() -> WatchRow {
        WatchRow {
            id: 1,
            session_id: 1,
            verdict: "alive".to_owned(),
            reason: None,
            since_at: start(),
            times: 5,
            told: Some("alive".to_owned()),
            warned_at: None,
            probed_at: None,
            due_at: start(),
            lease_number: 1,
            emitted: None,
            emitted_at: None,
            counters: None,
            reconciled_at: None,
            restarts: 0,
            restarted_at: None,
            created_at: start(),
            updated_at: start(),
        }
    }

    /// Looks each minute, and finds one verdict after the other. Returns what was done in which minute.
    fn follow_all(
        row: &mut WatchRow,
        verdicts: impl IntoIterator<Item = WatchVerdict>,
        options: WatchdogOptions,
    ) -> Vec<(i64, &'static str)> {
        follow_where(row, verdicts, options, true)
    }

    /// The same where WAHA takes restarts, or refuses them.
    fn follow_where(
        row: &mut WatchRow,
        verdicts: impl IntoIterator<Item = WatchVerdict>,
        options: WatchdogOptions,
        is_taken: bool,
    ) -> Vec<(i64, &'static str)> {
        let mut done = Vec::new();
        for (minute, verdict) in (1..).zip(verdicts) {
            let now = start() + TimeDelta::minutes(minute);
            let finding = Finding { verdict, reason: "engine" };
            let step = follow(row, finding, &options, now);
            if step.is_told {
                done.push((minute, verdict.name()));
            }
            done.extend(step.remedies.iter().map(|remedy| (minute, remedy.name())));
            let is_restarted = step.remedies.contains(&ProbeKind::Restart);
            *row = step.row;
            if is_restarted {
                row.restarted_at = Some(now);
                row.restarts += i32::from(is_taken);
            }
        }
        done
    }

    #[test]
    fn what_is_found_once_is_no_trouble() {
        let mut row = row();
        let flapping = [V::Dead, V::Alive, V::Dead, V::Alive, V::Deaf, V::Alive, V::Dead];
        assert_eq!(follow_all(&mut row, flapping, options(ALL)), []);
        assert_eq!(row.warned_at, None);
    }

    #[test]
    fn a_dead_session_is_compared_warned_of_and_started_anew_with_growing_pauses() {
        let mut row = row();
        let done = follow_all(&mut row, std::iter::repeat_n(V::Dead, 300), options(ALL));
        let expected = [
            (2, "dead"),
            (2, "reconcile"),
            (2, "warn"),
            // Dead since the first minute, for ten.
            (11, "restart"),
            (71, "restart"),
            (191, "restart"),
        ];
        assert_eq!(done, expected);
        assert_eq!(row.restarts, 3);
    }

    #[test]
    fn what_waha_refuses_is_tried_each_hour_and_counts_as_none() {
        let mut row = row();
        let dead = std::iter::repeat_n(V::Dead, 200);
        let done = follow_where(&mut row, dead, options(ALL), false);
        let tried = done.iter().filter(|(_, what)| *what == "restart");
        assert_eq!(tried.map(|(minute, _)| *minute).collect::<Vec<_>>(), [11, 71, 131, 191]);
        assert_eq!(row.restarts, 0);
    }

    #[test]
    fn trouble_that_changes_its_kind_keeps_its_beginning() {
        for kinds in [[V::Dead, V::Deaf], [V::Deaf, V::Dead]] {
            let mut row = row();
            let done = follow_all(&mut row, kinds.into_iter().cycle().take(30), options(ALL));
            assert_eq!(row.since_at, start() + TimeDelta::minutes(1));
            assert_eq!(row.told.as_deref(), Some("dead"));
            let of = |what: &str| done.iter().filter(|(_, it)| *it == what).count();
            assert_eq!((of("warn"), of("restart")), (1, 1), "{done:?}");
        }
        let mut row = row();
        let deaf = std::iter::repeat_n(V::Deaf, 60);
        let done = follow_all(&mut row, deaf.chain([V::Dead, V::Deaf]), options(ALL));
        assert!(!done.contains(&(61, "restart")), "once is nothing: {done:?}");
        let done = follow_all(&mut row, [V::Dead, V::Dead], options(ALL));
        assert!(done.contains(&(2, "dead")) && row.since_at == start() + TimeDelta::minutes(1));
    }

    #[test]
    fn what_is_not_known_in_between_does_not_begin_the_wait_anew() {
        let mut row = row();
        let looks = [V::Dead, V::Dead].into_iter().chain([V::Unknown, V::Dead].into_iter().cycle());
        let done = follow_all(&mut row, looks.take(14), options(ALL));
        assert!(done.contains(&(12, "restart")), "{done:?}");
    }

    #[test]
    fn restarts_come_once_a_day_at_most_and_begin_anew_after_a_day_of_life() {
        let options = options(ALL);
        let waits: Vec<i64> = (1..=8).map(|it| wait(it, &options).num_hours()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 24, 24, 24]);
        assert_eq!(wait(i32::MAX, &options), RESTART_WAIT_MAX);
        let mut row = row();
        follow_all(&mut row, std::iter::repeat_n(V::Dead, 20), options);
        assert_eq!(row.restarts, 1);
        follow_all(&mut row, std::iter::repeat_n(V::Alive, 60), options);
        assert_eq!(row.restarts, 1, "it lives for an hour");
        row.restarted_at = Some(start() - TimeDelta::hours(25));
        follow_all(&mut row, [V::Idle, V::Unwitnessed], options);
        assert_eq!(row.restarts, 1, "that nothing speaks against it is no life");
        follow_all(&mut row, [V::Alive], options);
        assert_eq!(row.restarts, 0);
    }

    #[test]
    fn a_session_whose_webhooks_do_not_arrive_is_compared_again_and_again_and_never_restarted() {
        let mut row = row();
        let done = follow_all(&mut row, std::iter::repeat_n(V::Deaf, 25), options(ALL));
        let expected =
            [(2, "deaf"), (2, "reconcile"), (2, "warn"), (12, "reconcile"), (22, "reconcile")];
        assert_eq!(done, expected);
    }

    #[test]
    fn for_what_a_person_must_do_there_is_a_warning_alone() {
        let mut row = row();
        let done = follow_all(&mut row, std::iter::repeat_n(V::Person, 100), options(ALL));
        assert_eq!(done, [(2, "person"), (2, "warn")]);
    }

    #[test]
    fn each_remedy_can_be_left_out() {
        let none = Remedies { reconcile: false, warn: false, restart: false };
        let mut row = row();
        let done = follow_all(&mut row, std::iter::repeat_n(V::Dead, 100), options(none));
        assert_eq!(done, [(2, "dead")]);
        assert_eq!(row.warned_at, None);
    }

    #[test]
    fn what_is_not_known_ends_no_trouble_and_life_does() {
        let mut row = row();
        follow_all(&mut row, [V::Dead, V::Dead, V::Unknown, V::Dead, V::Unknown], options(ALL));
        assert!(row.warned_at.is_some());
        assert_eq!(row.told.as_deref(), Some("dead"));
        let finding = Finding { verdict: V::Alive, reason: "engine" };
        let step = follow(&row, finding, &options(ALL), start());
        assert!(step.is_over && step.is_told && step.row.warned_at.is_none());
    }
}
