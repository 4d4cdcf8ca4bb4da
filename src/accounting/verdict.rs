//! What follows from two looks: balanced, not balanced, or why nobody can know. Pure.
//!
//! Called by `distributed`. Invariant: true and false are said of what is known, never of
//! what is likely. A broker can't be asked what is in workers' hands, so their beats are: only if the
//! same was seen twice, and each consumer that the broker counts belongs to a worker that has beaten in
//! between with nothing in hand, what is not found is missing.

use crate::accounting::Accounting;
use crate::accounting::snapshot::{Snapshot, WorkerSnapshot};
use crate::queue::InFlightCounts;
use crate::store::operations::settlement::Settlement;

/// What the looks say.
pub(super) fn judge(before: Option<&Snapshot>, now: &Snapshot) -> Accounting {
    let mut equation = counts(now);
    match decide(before, now) {
        Ok(missing) => {
            equation.uncertain = now.uncounted();
            equation.balanced = Some(missing == 0);
            equation.missing = missing.max(0).unsigned_abs();
            equation.excess = missing.min(0).unsigned_abs();
        }
        Err(reason) => {
            equation.uncertain = uncertain(now);
            equation.reason = Some(reason);
        }
    }
    equation
}

/// What an operator can settle now: what is missing is lost, what is too much was found, and what killed
/// doors may have left uncounted is decided by it. An error: why it is not known well enough.
pub(super) fn settlement(before: &Snapshot, now: &Snapshot) -> Result<Settlement, String> {
    is_at_rest(now)?;
    if !now.agrees_with(before) {
        return Err("the counts change".to_owned());
    }
    nothing_in_hand(before, now)?;
    let unaccounted = now.unaccounted();
    Ok(Settlement {
        lost: unaccounted.max(0).unsigned_abs(),
        found: unaccounted.min(0).unsigned_abs(),
        until_ms: now.books.gap_ends(&now.settled.until_ms),
    })
}

fn counts(look: &Snapshot) -> Accounting {
    Accounting {
        accepted: look.accepted(),
        applied: look.totals.applied,
        duplicate: look.totals.duplicate,
        ignored: look.totals.ignored,
        dead_lettered: look.totals.dead_lettered,
        waiting: look.waiting(),
        lost: look.settled.lost,
        damaged: look.books.damaged,
        ..Accounting::default()
    }
}

/// What may be counted nowhere or twice, hands included.
fn uncertain(look: &Snapshot) -> u64 {
    let in_hand = look.unaccounted().max(0).unsigned_abs();
    look.uncounted() + look.moved + look.books.handed_out + look.replays_unsure + in_hand
}

/// How many are missing (negative: how many too many there are), or why that can't be known.
fn decide(before: Option<&Snapshot>, now: &Snapshot) -> Result<i64, String> {
    is_at_rest(now)?;
    let unaccounted = now.unaccounted();
    if unaccounted == 0 || explained_by_kills(now) {
        return match now.books.uncertain_reason(&now.settled.until_ms) {
            Some(reason) => Err(reason),
            None => Ok(0),
        };
    }
    let before = before.ok_or_else(|| {
        format!("{} webhooks are in no queue and no table: seen once so far", unaccounted.abs())
    })?;
    if !now.agrees_with(before) {
        return Err("the counts change".to_owned());
    }
    if unaccounted < 0 && now.waiting() > 0 {
        return Err("a webhook that comes again may be in a queue and in the ledger".to_owned());
    }
    nothing_in_hand(before, now)?;
    Ok(unaccounted)
}

/// Nothing is on its way that is counted nowhere, or twice.
fn is_at_rest(now: &Snapshot) -> Result<(), String> {
    if now.moved > 0 {
        return Err(format!("{} webhooks moved while they were counted", now.moved));
    }
    if now.books.is_moving {
        return Err("a door has taken webhooks that it has not counted yet".to_owned());
    }
    let unsure = now.books.handed_out + now.replays_unsure;
    if unsure > 0 {
        return Err(format!("{unsure} webhooks may be in two queues, on their way to the broker"));
    }
    Ok(())
}

/// Whether killed doors may have taken what is found and was not counted.
fn explained_by_kills(look: &Snapshot) -> bool {
    let unaccounted = look.unaccounted();
    let is_bounded = look.books.is_uncertainty_bounded(&look.settled.until_ms);
    unaccounted < 0 && (!is_bounded || unaccounted.unsigned_abs() <= look.uncounted())
}

/// Every consumer belongs to a worker that has beaten since, with nothing in hand.
fn nothing_in_hand(before: &Snapshot, now: &Snapshot) -> Result<(), String> {
    let live = now.live(before);
    let known = |worker: &&&WorkerSnapshot| worker.in_hand.is_some();
    if let Some(silent) = live.iter().find(|worker| !known(worker)) {
        return Err(format!("worker {} could not tell what it has in hand", silent.instance));
    }
    let in_hand = || live.iter().filter_map(|worker| worker.in_hand.as_ref());
    let total: u64 = in_hand().map(InFlightCounts::total).sum();
    if total > 0 {
        return Err(format!("workers have {total} webhooks in hand"));
    }
    let consumers: u64 = in_hand().map(|in_hand| in_hand.consumers).sum();
    if consumers != now.consumers {
        return Err(format!(
            "the broker counts {} consumers, the workers that beat have {consumers}: one is frozen, \
             just started or ended, or of a release that does not beat, or somebody looks at what is \
             retried, and may have webhooks in hand",
            now.consumers
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::spool::{CountGap, DoorCounts};
    use crate::store::operations::totals::LedgerTotals;

    const TOTALS: LedgerTotals =
        LedgerTotals { applied: 6, duplicate: 1, ignored: 1, dead_lettered: 1, imported: 0 };

    /// Nine ended and one waits.
    fn look(accepted: u64, beats: i64, in_hand: u64) -> Snapshot {
        let hands = InFlightCounts { consumers: 5, lanes: [0, in_hand, 0, 0], given_up: 0 };
        let worker = WorkerSnapshot { instance: "w".into(), beats, in_hand: Some(hands) };
        Snapshot {
            books: DoorCounts { accepted, ..DoorCounts::default() },
            totals: TOTALS,
            on_broker: 1,
            consumers: 5,
            workers: vec![worker],
            ..Snapshot::default()
        }
    }

    fn balanced(before: &Snapshot, now: &Snapshot) -> Option<bool> {
        judge(Some(before), now).balanced
    }

    #[test]
    fn what_is_all_there_is_balanced_at_once() {
        let equation = judge(None, &look(10, 1, 0));
        assert_eq!((equation.balanced, equation.uncertain, equation.reason), (Some(true), 0, None));
    }

    #[test]
    fn missing_needs_two_looks_and_beats_between_with_nothing_in_hand() {
        let first = look(13, 1, 0);
        assert!(judge(None, &first).reason.is_some());
        let missing = judge(Some(&first), &look(13, 3, 0));
        assert_eq!((missing.balanced, missing.missing), (Some(false), 3));
        assert_eq!(balanced(&first, &look(13, 2, 0)), None, "one beat may be older than the look");
        assert_eq!(balanced(&first, &look(13, 3, 3)), None, "they are in hand");
        assert_eq!(balanced(&first, &look(14, 3, 0)), None, "something came in between");
    }

    #[test]
    fn who_does_not_beat_may_have_it_in_hand() {
        let first = look(13, 1, 0);
        let stranger = |now: Snapshot| Snapshot { consumers: 10, ..now };
        let reason = judge(Some(&stranger(first)), &stranger(look(13, 3, 0))).reason.unwrap();
        assert!(reason.contains("10 consumers") && reason.contains("have 5"), "{reason}");
        let mut dumb = look(13, 3, 0);
        dumb.workers[0].in_hand = None;
        assert_eq!(balanced(&look(13, 1, 0), &dumb), None);
    }

    #[test]
    fn a_dead_worker_has_nothing_in_hand_once_the_broker_has_lost_it() {
        let gone = |look: Snapshot| Snapshot { consumers: 0, ..look };
        let equation = judge(Some(&gone(look(12, 1, 7))), &gone(look(12, 1, 7)));
        assert_eq!((equation.balanced, equation.missing), (Some(false), 2));
    }

    #[test]
    fn what_a_kill_left_uncounted_is_unknown_until_it_is_settled() {
        let webhooks_max = Some(4);
        let gap = CountGap { from_ms: 10, until_ms: 20, webhooks_max, ..CountGap::default() };
        let killed = |accepted| {
            let mut look = look(accepted, 1, 0);
            look.books.gaps = vec![("door".to_owned(), gap)];
            look
        };
        for accepted in [6, 8, 10] {
            let equation = judge(None, &killed(accepted));
            assert_eq!((equation.balanced, equation.uncertain), (None, 4), "{accepted}");
            assert!(equation.reason.unwrap().contains("uncounted"));
        }
        let mut settled = killed(8);
        settled.settled.found = 2;
        settled.settled.until_ms.insert("door".to_owned(), 20);
        assert_eq!(judge(None, &settled).balanced, Some(true));
        // More than a kill can explain.
        let mut idle = killed(5);
        idle.on_broker = 0;
        idle.books.accepted = 4;
        let doubled =
            judge(Some(&idle), &Snapshot { workers: look(0, 3, 0).workers, ..idle.clone() });
        assert_eq!((doubled.balanced, doubled.excess), (Some(false), 5));
    }

    #[test]
    fn what_is_missing_can_be_settled_as_lost() {
        let first = look(13, 1, 0);
        let settled = settlement(&first, &look(13, 3, 0)).unwrap();
        assert_eq!((settled.lost, settled.found), (3, 0));
        let later = Snapshot { settled, ..look(13, 3, 0) };
        let equation = judge(None, &later);
        assert_eq!((equation.balanced, equation.lost), (Some(true), 3));
        assert!(settlement(&first, &look(13, 3, 1)).is_err(), "something is in hand");
    }

    #[test]
    fn nothing_is_known_while_it_moves() {
        let moving = Snapshot { moved: 1, ..look(10, 1, 0) };
        assert_eq!(judge(None, &moving).balanced, None);
        let mut uncounted = look(10, 1, 0);
        uncounted.books.is_moving = true;
        assert_eq!(judge(None, &uncounted).balanced, None);
    }
}
