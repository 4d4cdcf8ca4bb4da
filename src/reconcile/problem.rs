//! Why a reconciliation did not go on, and when it is tried again: decided here, in one match.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::store::StoreError;
use crate::store::operations::reconciliations::ReconciliationEnd;
use crate::waha_api::{Verdict, WahaError};

/// Why it did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileProblem {
    /// WAHA did not do what it was asked.
    #[error(transparent)]
    Waha(#[from] WahaError),
    /// The tables.
    #[error("the tables can't be read or written: {}", .0.detail())]
    Store(#[from] StoreError),
    /// The engine keeps no messages.
    #[error(
        "the engine keeps no messages: switch its store on (config.noweb.store, config.gows.storage)"
    )]
    StoreOff,
    /// It is none whose list can be read.
    #[error("WAHA tells no engine whose list can be read")]
    UnknownEngine,
    /// Its list goes on and on.
    #[error("WAHA's list has no end: is something between that answers for it?")]
    Endless,
    /// Another worker has it by now.
    #[error("another worker has it")]
    Lost,
    /// This process stops.
    #[error("this process stops")]
    Interrupted,
    /// It has had its turn: what else is due of the session comes first.
    #[error("others have their turn")]
    TurnOver,
}

/// First wait after what may pass by itself; it doubles with each failure in a row.
const WAIT: TimeDelta = TimeDelta::minutes(5);
/// Longest one.
const WAIT_MAX: TimeDelta = TimeDelta::hours(6);
/// Wait after what is no failure.
const OUTAGE_WAIT: TimeDelta = TimeDelta::minutes(1);
/// Failures beyond which the wait does not grow.
const DOUBLINGS_MAX: u32 = 10;

impl ReconcileProblem {
    /// As metrics and rows say it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Waha(WahaError::Busy(_)) => "rate_limit",
            Self::Waha(error) => error.reason(),
            Self::Store(_) => "database",
            Self::StoreOff => "store_off",
            Self::UnknownEngine => "engine_unknown",
            Self::Endless => "list_endless",
            Self::Lost => "lost",
            Self::Interrupted => "interrupted",
            Self::TurnOver => "turn_over",
        }
    }

    /// What becomes of it; `failures` in a row so far. None if it is another worker's.
    pub(super) fn end(&self, failures: i32, now: DateTime<Utc>) -> Option<ReconciliationEnd> {
        let reason = self.reason();
        let waits = |wait: TimeDelta, is_failure| {
            Some(ReconciliationEnd::Waits { at: now + wait, reason, is_failure })
        };
        match self {
            Self::Lost => None,
            Self::StoreOff | Self::Waha(WahaError::Unsupported) => {
                Some(ReconciliationEnd::Stopped { reason })
            }
            Self::Interrupted | Self::TurnOver => waits(TimeDelta::zero(), false),
            Self::Store(_) => waits(OUTAGE_WAIT, false),
            Self::Waha(WahaError::Resting(rest)) => waits(at_least(*rest), false),
            Self::Waha(error) if error.verdict() == Verdict::Wait => waits(OUTAGE_WAIT, false),
            // The session's return to WORKING makes it due at once.
            Self::UnknownEngine | Self::Endless | Self::Waha(_) => {
                waits(backed_off(failures), true)
            }
        }
    }
}

fn at_least(rest: Duration) -> TimeDelta {
    TimeDelta::from_std(rest).unwrap_or(WAIT_MAX).max(OUTAGE_WAIT)
}

fn backed_off(failures: i32) -> TimeDelta {
    let doublings = u32::try_from(failures).unwrap_or_default().min(DOUBLINGS_MAX);
    (WAIT * 2_i32.pow(doublings)).min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_waits_and_what_does_not_stops() {
        let now = DateTime::UNIX_EPOCH;
        let end = |problem: ReconcileProblem, failures| problem.end(failures, now);
        let limited = || WahaError::Busy("WhatsApp's rate limit").into();
        let waits = |minutes, reason| {
            let at = now + TimeDelta::minutes(minutes);
            Some(ReconciliationEnd::Waits { at, reason, is_failure: true })
        };
        assert_eq!(end(limited(), 0), waits(5, "rate_limit"));
        assert_eq!(end(limited(), 2), waits(20, "rate_limit"));
        assert_eq!(end(limited(), 1_000), waits(360, "rate_limit"));
        assert_eq!(end(WahaError::NotReady.into(), 0), waits(5, "session_not_working"));
        let outage = end(WahaError::Unauthorized.into(), 5);
        assert!(matches!(outage, Some(ReconciliationEnd::Waits { is_failure: false, .. })));
        let stopped = Some(ReconciliationEnd::Stopped { reason: "store_off" });
        assert_eq!(end(ReconcileProblem::StoreOff, 0), stopped);
        assert_eq!(end(ReconcileProblem::Lost, 0), None);
        for problem in [ReconcileProblem::Interrupted, ReconcileProblem::TurnOver] {
            let reason = problem.reason();
            let goes_on = ReconciliationEnd::Waits { at: now, reason, is_failure: false };
            assert_eq!(end(problem, 3), Some(goes_on));
        }
    }
}
