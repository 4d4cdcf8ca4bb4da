//! How long to wait while something that webhooks need is away: for ever, with backoff and jitter.
//!
//! The only module that knows the `backoff` crate.

use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait: after an outage work goes on within this time.
const LONGEST: Duration = Duration::from_secs(5);

/// How often the log says that an outage goes on.
const REMIND_EVERY: Duration = Duration::from_mins(1);

/// One outage, from its first error to the next success.
pub struct Outage {
    backoff: ExponentialBackoff,
    told_at: Option<Instant>,
}

impl Outage {
    /// An outage that begins now.
    pub fn new() -> Self {
        let backoff = ExponentialBackoff {
            current_interval: FIRST,
            initial_interval: FIRST,
            max_interval: LONGEST,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { backoff, told_at: None }
    }

    /// One whose waits grow further than usual, up to `longest`.
    pub fn with_longest(longest: Duration) -> Self {
        let mut outage = Self::new();
        outage.backoff.max_interval = longest;
        outage
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        self.backoff.next_backoff().unwrap_or(LONGEST)
    }

    /// Whether the log should say so: when it begins, then once a minute.
    pub fn is_news(&mut self) -> bool {
        let is_due = self.told_at.is_none_or(|told_at| told_at.elapsed() >= REMIND_EVERY);
        if is_due {
            self.told_at = Some(Instant::now());
        }
        is_due
    }
}

impl Default for Outage {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_never_end() {
        let mut outage = Outage::new();
        assert!(outage.next_wait() < Duration::from_millis(200));
        assert!(outage.is_news() && !outage.is_news());
        let waits: Vec<Duration> = (0..100).map(|_| outage.next_wait()).collect();
        assert!(waits.iter().all(|wait| *wait <= LONGEST.mul_f64(1.5)));
        assert!(waits[99] >= LONGEST.mul_f64(0.5));
    }
}
