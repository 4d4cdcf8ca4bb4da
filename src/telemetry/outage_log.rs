//! One line in the log when something begins to fail, then one a minute while it goes on.
//!
//! Kept by whoever meets the same failure again and again: the door for each refused webhook, the spool
//! for each that it takes over. Invariant: no cause is left out, because each is told by
//! itself; and no number of failures fills the disk that may be the cause.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cause;

/// How often the log says that an outage goes on.
const REMIND_EVERY: Duration = Duration::from_mins(1);

/// An outage that ended and begins again is told as a new one, but not more often than this.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Causes that are kept apart; what comes on top shares the last place.
const CAUSES_MAX: usize = 8;

/// What was told of the failures of one thing.
#[derive(Debug, Default)]
pub struct OutageLog {
    causes: Mutex<Vec<Cause>>,
    /// Whether the last one failed: what works costs no lock.
    is_failing: AtomicBool,
}

/// A cause that was told.
#[derive(Debug)]
struct Cause {
    words: String,
    told_at: Instant,
    /// Failures since then.
    untold: u64,
    /// Something worked since the last of them.
    is_over: bool,
}

/// A line that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueLine {
    /// The error with all its causes, without values.
    pub error: String,
    /// How many failures it stands for, this one included.
    pub failures: u64,
}

impl OutageLog {
    /// Nothing has failed yet.
    pub const fn new() -> Self {
        Self { causes: Mutex::new(Vec::new()), is_failing: AtomicBool::new(false) }
    }

    /// Takes note of a failure. Some if it is to be logged.
    pub fn failed(&self, error: &(dyn Error + 'static)) -> Option<DueLine> {
        self.failed_at(cause::words(error), Instant::now())
    }

    /// It works again: the next failure begins a new outage.
    pub fn worked(&self) {
        if !self.is_failing.load(Ordering::Relaxed)
            || !self.is_failing.swap(false, Ordering::AcqRel)
        {
            return;
        }
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        causes.iter_mut().for_each(|cause| cause.is_over = true);
    }

    fn failed_at(&self, words: String, now: Instant) -> Option<DueLine> {
        let mut causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_failing.store(true, Ordering::Release);
        let known = causes.iter().position(|cause| cause.words == words);
        let Some(known) = known.or_else(|| (causes.len() == CAUSES_MAX).then_some(CAUSES_MAX - 1))
        else {
            let error = words.clone();
            causes.push(Cause { words, told_at: now, untold: 0, is_over: false });
            return Some(DueLine { error, failures: 1 });
        };
        let cause = &mut causes[known];
        cause.untold += 1;
        let pause = if cause.is_over { AGAIN_AFTER } else { REMIND_EVERY };
        cause.is_over = false;
        if now.saturating_duration_since(cause.told_at) < pause {
            return None;
        }
        cause.told_at = now;
        let failures = std::mem::take(&mut cause.untold);
        Some(DueLine { error: words, failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_once_and_then_once_a_minute() {
        let (log, start) = (OutageLog::new(), Instant::now());
        let failed = |words: &str, after_ms| {
            let now = start + Duration::from_millis(after_ms);
            log.failed_at(words.to_owned(), now).map(|line| line.failures)
        };
        assert_eq!(failed("disk full", 0), Some(1));
        assert_eq!(failed("broker away", 1), Some(1));
        for after_ms in 2..1000 {
            assert_eq!(failed("disk full", after_ms), None);
        }
        assert_eq!(failed("disk full", 60_000), Some(999));
        log.worked();
        assert_eq!(failed("disk full", 61_000), None, "nothing that flickers fills the log");
        log.worked();
        assert_eq!(failed("disk full", 66_000), Some(2), "a new outage is told at once");
    }

    #[test]
    fn many_causes_are_bounded() {
        let log = OutageLog::new();
        let now = Instant::now();
        let told = (0..1000).filter(|n| log.failed_at(n.to_string(), now).is_some()).count();
        assert_eq!(told, CAUSES_MAX);
    }
}
