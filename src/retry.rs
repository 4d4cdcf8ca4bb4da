//! When to try a webhook again after an unknown cause. Pure: attempt and randomness come in.
//!
//! By hand, because the ladder is a configured list: `backoff`, which outages use, knows only waits that
//! grow by a factor, and draws its jitter itself.

use std::time::Duration;

/// The ladder: how long to wait after each failed attempt.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// One wait per rung; after the last one a failure is final.
    pub delays: Vec<Duration>,
    /// Share of a wait that is random, 0 to 1, so that failures don't come back all at once.
    pub jitter: f64,
}

impl RetryPolicy {
    /// The wait after the `attempt`-th failure (from 1), or none when it was the last.
    ///
    /// `random` is in 0..1: half of it shortens the wait, half of it lengthens it.
    pub fn delay(&self, attempt: u32, random: f64) -> Option<Duration> {
        let rung = usize::try_from(attempt.checked_sub(1)?).ok()?;
        let delay = self.delays.get(rung)?;
        Some(delay.mul_f64((random - 0.5).mul_add(self.jitter, 1.0).max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn climbs_the_ladder_and_ends() {
        let delays = [5, 30].map(Duration::from_secs).to_vec();
        let policy = RetryPolicy { delays, jitter: 0.2 };
        assert_eq!(policy.delay(1, 0.5), Some(Duration::from_secs(5)));
        assert_eq!(policy.delay(2, 0.0), Some(Duration::from_secs(27)));
        assert_eq!(policy.delay(2, 1.0), Some(Duration::from_secs(33)));
        assert_eq!(policy.delay(3, 0.5), None);
        assert_eq!(policy.delay(0, 0.5), None);
    }
}
