//! How far a source's clock is from ours, as far as its webhooks tell. Pure.
//!
//! Called by the door's metrics and by `status`. A webhook takes time on its way, and more when it is
//! sent again, but it never arrives before it was made: the least delay of many is what the clocks
//! differ by.

/// Clocks that differ by less agree.
const TOLERANCE_MS: i64 = 60_000;
/// So many webhooks say something: a single late one tells of its own way alone.
const COUNT_MIN: u32 = 10;

/// What some webhooks of one source tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockOffset {
    count: u32,
    least_delay_ms: i64,
}

impl ClockOffset {
    /// Adds a webhook: its time by the source's clock, and its arrival by ours, ms since 1970.
    pub fn add(&mut self, at_ms: i64, received_at_ms: i64) {
        let delay_ms = received_at_ms.saturating_sub(at_ms);
        self.least_delay_ms =
            if self.count == 0 { delay_ms } else { self.least_delay_ms.min(delay_ms) };
        self.count = self.count.saturating_add(1);
    }

    /// How far the source's clock is ahead of ours, in ms; negative if it is behind. None while too few
    /// webhooks tell.
    pub fn ahead_ms(&self) -> Option<i64> {
        (self.count >= COUNT_MIN).then(|| self.least_delay_ms.saturating_neg())
    }

    /// The same, if it is more than clocks that are set differ by.
    pub fn disagreement_ms(&self) -> Option<i64> {
        self.ahead_ms().filter(|ahead_ms| ahead_ms.saturating_abs() > TOLERANCE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(delays_ms: &[i64]) -> ClockOffset {
        let mut offset = ClockOffset::default();
        for delay_ms in delays_ms {
            offset.add(1_000_000 - delay_ms, 1_000_000);
        }
        offset
    }

    #[test]
    fn one_prompt_webhook_among_late_ones_shows_that_clocks_agree() {
        let mut delays_ms = [3_600_000; 20];
        delays_ms[7] = 12;
        assert_eq!(of(&delays_ms).disagreement_ms(), None);
        assert_eq!(of(&[3_600_000; 20]).disagreement_ms(), Some(-3_600_000));
    }

    #[test]
    fn a_clock_ahead_is_told_once_enough_webhooks_say_so() {
        assert_eq!(of(&[-82_800_000; 9]).disagreement_ms(), None);
        assert_eq!(of(&[-82_800_000; 10]).disagreement_ms(), Some(82_800_000));
        assert_eq!(of(&[-59_000; 10]).disagreement_ms(), None);
    }
}
