//! Whether to ask somebody who failed again and again: not for a while, then once to see, then as before.
//!
//! Used by `waha_api`, one for each WAHA. Beside `outage`, which says how the waits grow.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::outage::Outage;

/// Failures in a row after which nobody is asked for a while.
const FAILURES_MAX: u32 = 5;
/// Longest wait before somebody who is away is asked again.
const WAIT_LONGEST: Duration = Duration::from_secs(30);

/// What is known of one who is asked.
pub struct CircuitBreaker(Mutex<State>);

struct State {
    /// In a row, since the last success.
    failures: u32,
    outage: Outage,
    /// Until then nobody asks.
    open_until: Option<Instant>,
}

impl CircuitBreaker {
    /// One that lets everybody ask.
    pub fn new() -> Self {
        let outage = Outage::with_longest(WAIT_LONGEST);
        Self(Mutex::new(State { failures: 0, outage, open_until: None }))
    }

    /// Whether to ask now; else how long not to. After a wait one asks, and the others wait for what it gets.
    pub fn permit(&self) -> Result<(), Duration> {
        let mut state = self.state();
        let Some(until) = state.open_until else { return Ok(()) };
        let rest = until.saturating_duration_since(Instant::now());
        if !rest.is_zero() {
            return Err(rest);
        }
        state.open_until = Some(Instant::now() + state.outage.next_wait());
        Ok(())
    }

    /// How long nobody is to ask; none if anybody may.
    pub fn rest(&self) -> Option<Duration> {
        let until = self.state().open_until?;
        Some(until.saturating_duration_since(Instant::now())).filter(|rest| !rest.is_zero())
    }

    /// An answer came.
    pub fn succeeded(&self) {
        let mut state = self.state();
        (state.failures, state.open_until) = (0, None);
        state.outage = Outage::with_longest(WAIT_LONGEST);
    }

    /// None came. Returns whether this began an outage that the log should tell of.
    pub fn failed(&self) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES_MAX {
            return false;
        }
        let wait = state.outage.next_wait();
        state.open_until = Some(Instant::now() + wait);
        state.outage.is_news()
    }

    /// Nobody is to ask for so long, whatever came before: asking is useless. Returns whether that is news.
    pub fn open_for(&self, wait: Duration) -> bool {
        let mut state = self.state();
        state.open_until = Some(Instant::now() + wait);
        state.outage.is_news()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_closes_after_a_success() {
        let breaker = CircuitBreaker::new();
        for _ in 1..FAILURES_MAX {
            assert!(!breaker.failed());
        }
        assert!(breaker.permit().is_ok());
        assert!(breaker.failed(), "the log is told once");
        assert!(!breaker.failed());
        assert!(breaker.permit().is_err() && breaker.rest().is_some());
        breaker.succeeded();
        assert!(breaker.permit().is_ok() && breaker.rest().is_none());
    }

    #[test]
    fn after_the_wait_one_asks_and_the_others_wait_on() {
        let breaker = CircuitBreaker::new();
        breaker.open_for(Duration::ZERO);
        assert!(breaker.permit().is_ok());
        assert!(breaker.permit().is_err());
    }
}
