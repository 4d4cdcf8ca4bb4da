//! How long to wait while something that webhooks need is away: for ever, with backoff and jitter.
//!
//! The only module that knows the `backoff` crate.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait: after an outage work goes on within this time.
const LONGEST: Duration = Duration::from_secs(5);

/// One outage, from its first error to the next success.
pub struct Outage(ExponentialBackoff);

impl Outage {
    /// An outage that begins now.
    pub fn new() -> Self {
        Self(ExponentialBackoff {
            current_interval: FIRST,
            initial_interval: FIRST,
            max_interval: LONGEST,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(LONGEST)
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
        let waits: Vec<Duration> = (0..100).map(|_| outage.next_wait()).collect();
        assert!(waits.iter().all(|wait| *wait <= LONGEST.mul_f64(1.5)));
        assert!(waits[99] >= LONGEST.mul_f64(0.5));
    }
}
