//! What the evidence means. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::evidence::{CounterWitness, Evidence, ON_ITS_WAY};
use crate::store::operations::watches::WatchVerdict;
use crate::waha_api::EngineState;

/// Something that came within this time shows that a session works.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// Messages that are older say nothing of now.
const REACH: TimeDelta = TimeDelta::hours(24);

/// What is found, and what says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) verdict: WatchVerdict,
    /// A word of a closed set.
    pub(super) reason: &'static str,
}

fn finding(verdict: WatchVerdict, reason: &'static str) -> Finding {
    Finding { verdict, reason }
}

/// Judges a session by WAHA's word for its state, and one that says it works by its witnesses.
pub(super) fn judge(evidence: &Evidence, now: DateTime<Utc>) -> Finding {
    use WatchVerdict as V;
    if evidence.is_elsewhere {
        return finding(V::Idle, "other_worker");
    }
    match evidence.status.as_str() {
        "WORKING" => judge_working(evidence, now),
        "SCAN_QR_CODE" => finding(V::Person, "qr_code"),
        "FAILED" => finding(V::Person, "failed"),
        "PASSKEY_REQUIRED" | "PASSKEY_CONFIRMATION_REQUIRED" => finding(V::Person, "passkey"),
        "STARTING" => finding(V::Idle, "starting"),
        "STOPPED" => finding(V::Idle, "stopped"),
        "" => finding(V::Idle, "not_there"),
        _ => finding(V::Idle, "other_status"),
    }
}

/// What speaks against it comes first, the surest before the others.
fn judge_working(evidence: &Evidence, now: DateTime<Utc>) -> Finding {
    use WatchVerdict as V;
    let is_fresh = evidence.heard_at.is_some_and(|heard_at| now - heard_at < FRESH);
    if evidence.engine == EngineState::Dead {
        finding(V::Dead, "engine")
    } else if is_store_ahead(evidence, now) {
        finding(V::Deaf, "messages_ahead")
    } else if evidence.counter == CounterWitness::Ahead {
        finding(V::Deaf, "counters_ahead")
    } else if evidence.is_silent && evidence.has_failed {
        finding(V::Dead, "silent_and_failing")
    } else if evidence.engine == EngineState::Connected {
        finding(V::Alive, "engine")
    } else if is_fresh || evidence.counter == CounterWitness::Arrived {
        finding(V::Alive, "webhooks")
    } else if evidence.is_silent {
        finding(V::Unwitnessed, "silent")
    } else {
        finding(V::Unwitnessed, "quiet")
    }
}

/// Whether WAHA has a message whose webhook should have come, and nothing came since.
fn is_store_ahead(evidence: &Evidence, now: DateTime<Utc>) -> bool {
    let (Some(newest_at), Some(ended_until)) = (evidence.newest_at, evidence.ended_until) else {
        return false;
    };
    let should_have_come = newest_at + ON_ITS_WAY;
    evidence.is_newer_in_store()
        && now >= should_have_come
        && ended_until >= should_have_come
        && now - newest_at < REACH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn ago(minutes: i64) -> DateTime<Utc> {
        now() - TimeDelta::minutes(minutes)
    }

    /// Working, heard an hour ago, and nothing waits.
    fn working() -> Evidence {
        let (status, heard_at, ended_until) = ("WORKING".to_owned(), Some(ago(60)), Some(now()));
        Evidence { status, heard_at, ended_until, ..Evidence::default() }
    }

    fn found(evidence: &Evidence) -> (&'static str, &'static str) {
        let Finding { verdict, reason } = judge(evidence, now());
        (verdict.name(), reason)
    }

    #[test]
    fn working_is_believed_with_a_witness_only() {
        assert_eq!(found(&working()), ("unwitnessed", "quiet"));
        let silent = Evidence { is_silent: true, ..working() };
        assert_eq!(found(&silent), ("unwitnessed", "silent"));
        let engine = EngineState::Connected;
        assert_eq!(found(&Evidence { engine, ..working() }), ("alive", "engine"));
        assert_eq!(found(&Evidence { heard_at: Some(ago(3)), ..working() }), ("alive", "webhooks"));
        let counter = CounterWitness::Arrived;
        assert_eq!(found(&Evidence { counter, ..working() }), ("alive", "webhooks"));
    }

    #[test]
    fn an_engine_that_is_not_connected_is_dead_whatever_else_speaks_for_it() {
        let dead = Evidence { engine: EngineState::Dead, heard_at: Some(ago(1)), ..working() };
        assert_eq!(found(&dead), ("dead", "engine"));
        let failing = Evidence { is_silent: true, has_failed: true, ..working() };
        assert_eq!(found(&failing), ("dead", "silent_and_failing"));
        assert_eq!(found(&Evidence { has_failed: true, ..working() }), ("unwitnessed", "quiet"));
    }

    #[test]
    fn a_message_that_waha_has_and_whose_webhook_did_not_come_means_a_broken_path() {
        let engine = EngineState::Connected;
        let ahead = |newest| Evidence { newest_at: Some(ago(newest)), engine, ..working() };
        assert_eq!(found(&ahead(5)), ("deaf", "messages_ahead"));
        assert_eq!(found(&ahead(1)), ("alive", "engine"), "its webhook may be on its way");
        assert_eq!(found(&ahead(59)), ("alive", "engine"), "something came about then");
        assert_eq!(found(&ahead(70)), ("alive", "engine"), "something came since");
        let lagging = Evidence { ended_until: Some(ago(10)), ..ahead(5) };
        assert_eq!(found(&lagging), ("alive", "engine"), "it may wait in the queue");
        let unknown = Evidence { ended_until: None, ..ahead(5) };
        assert_eq!(found(&unknown), ("alive", "engine"), "nobody knows what waits");
        let skewed = Evidence { told_at: Some(ago(5)), heard_at: Some(ago(10)), ..ahead(5) };
        assert_eq!(found(&skewed), ("alive", "engine"), "our clock is behind");
        let old =
            Evidence { newest_at: Some(ago(25 * 60)), heard_at: Some(ago(50 * 60)), ..ahead(5) };
        assert_eq!(found(&old), ("alive", "engine"), "it says nothing of now");
        let counter = CounterWitness::Ahead;
        assert_eq!(found(&Evidence { engine, counter, ..working() }), ("deaf", "counters_ahead"));
    }

    #[test]
    fn states_that_need_a_person_are_said_as_such() {
        let of = |status: &str| found(&Evidence { status: status.to_owned(), ..working() });
        assert_eq!(of("SCAN_QR_CODE"), ("person", "qr_code"));
        assert_eq!(of("FAILED"), ("person", "failed"));
        assert_eq!(of("PASSKEY_CONFIRMATION_REQUIRED"), ("person", "passkey"));
        assert_eq!(of("STOPPED"), ("idle", "stopped"));
        assert_eq!(of("STARTING"), ("idle", "starting"));
        assert_eq!(of("LATER"), ("idle", "other_status"));
        let elsewhere =
            Evidence { is_elsewhere: true, status: "FAILED".to_owned(), ..Evidence::default() };
        assert_eq!(found(&elsewhere), ("idle", "other_worker"));
    }
}
