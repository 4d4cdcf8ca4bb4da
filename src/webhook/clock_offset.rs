//! How far a source's clock is from ours, as far as its webhooks tell. Pure.
//!
//! Called by the door's metrics and by `status`. A webhook takes time on its way, and more when it is
//! sent again, but it never arrives before it was made. So a clock that is ahead shows in the least delay
//! of many. One that is behind looks like webhooks that are late, as after an outage of the network, or of
//! a history that is sent again: only a delay that stays the same for minutes is a clock's.

/// Clocks that differ by less agree.
const TOLERANCE_MS: i64 = 60_000;
/// By so much the delay of a wrong clock varies; webhooks that are late catch up.
const STEADY_MS: u64 = 10_000;
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

    /// Whether it depends on what was told earlier if the clock is behind.
    pub fn may_be_behind(&self) -> bool {
        self.ahead_ms().is_some_and(|ahead_ms| ahead_ms < -TOLERANCE_MS)
    }

    /// How far it is ahead, if that is more than clocks that are set differ by. `earlier`: what webhooks told that
    /// arrived some minutes before, without which no clock is said to be behind.
    pub fn disagreement_ms(&self, earlier: Option<&Self>) -> Option<i64> {
        let ahead_ms = self.ahead_ms()?;
        let was_ahead_ms = earlier.and_then(Self::ahead_ms);
        let is_steady = was_ahead_ms.is_some_and(|was| was.abs_diff(ahead_ms) <= STEADY_MS);
        let is_wrong = ahead_ms > TOLERANCE_MS || (ahead_ms < -TOLERANCE_MS && is_steady);
        is_wrong.then_some(ahead_ms)
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
        let behind = of(&delays_ms);
        assert_eq!(behind.disagreement_ms(Some(&behind)), Some(-3_600_000));
        delays_ms[7] = 12;
        assert_eq!(of(&delays_ms).disagreement_ms(Some(&behind)), None);
    }

    #[test]
    fn late_webhooks_are_no_clock_that_is_behind() {
        let late = of(&[3_600_000; 20]);
        assert_eq!(late.disagreement_ms(None), None, "nothing is known of before");
        for before in [of(&[12; 20]), of(&[3_900_000; 20]), of(&[3_600_000; 9])] {
            assert_eq!(late.disagreement_ms(Some(&before)), None);
        }
    }

    #[test]
    fn a_clock_ahead_is_told_once_enough_webhooks_say_so() {
        assert_eq!(of(&[-82_800_000; 9]).disagreement_ms(None), None);
        assert_eq!(of(&[-82_800_000; 10]).disagreement_ms(None), Some(82_800_000));
        assert_eq!(of(&[-59_000; 10]).disagreement_ms(None), None);
    }
}
