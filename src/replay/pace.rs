//! How fast a job goes: its rate, and the queue's backlog. Pure: times and counts come in.

use std::time::{Duration, Instant};

/// Steps of a job with a rate are no longer than this, so that replays don't come in bursts.
const STEPS_PER_SECOND: f64 = 4.0;
/// How often the queue is asked what waits.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many webhooks ready to be received are no backlog: a worker takes them in one batch.
const FEW: u64 = 500;
/// While webhooks wait for longer than this, replays wait: those of people come first.
const WAITING_MAX: Duration = Duration::from_secs(5);

/// The rate of a job.
pub(super) struct Pace {
    rate: Option<f64>,
    started: Instant,
    done: u64,
}

impl Pace {
    /// At most `rate` per second from now on.
    pub(super) fn new(rate: Option<f64>, now: Instant) -> Self {
        Self { rate, started: now, done: 0 }
    }

    /// The next step's size.
    pub(super) fn step_max(&self, max: u64) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast saturates, and the result is clamped"
        )]
        self.rate.map_or(max, |rate| ((rate / STEPS_PER_SECOND).ceil() as u64).clamp(1, max))
    }

    /// So many more were done.
    pub(super) fn did(&mut self, count: u64) {
        self.done += count;
    }

    /// How long to wait before the next step. What was missed while the job waited for something
    /// else is not made up for.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        #[expect(clippy::cast_precision_loss, reason = "a job has far less than 2^52 dead letters")]
        let due = Duration::try_from_secs_f64(self.done as f64 / rate).unwrap_or(Duration::MAX);
        let elapsed = now.saturating_duration_since(self.started);
        if elapsed > due + LOOK_EVERY {
            *self = Self::new(self.rate, now);
            return Duration::ZERO;
        }
        due.saturating_sub(elapsed)
    }
}

/// Whether webhooks have to wait. The oldest of them waits at most since the queue was last seen with
/// few; what waits for a later attempt doesn't count.
pub(super) struct Backlog {
    looked: Option<Instant>,
    /// When few were ready last; none before the first look.
    few: Option<Instant>,
}

impl Backlog {
    pub(super) fn new() -> Self {
        Self { looked: None, few: None }
    }

    /// Whether it is time to look again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK_EVERY)
    }

    /// Whether replays have to wait, after a look that found so many ready; none if the queue can't
    /// be asked, which is no reason to wait: then it refuses by itself.
    pub(super) fn grows(&mut self, ready: Option<u64>, now: Instant) -> bool {
        self.looked = Some(now);
        if ready.is_none_or(|ready| ready <= FEW) {
            self.few = Some(now);
        }
        now.saturating_duration_since(*self.few.get_or_insert(now)) > WAITING_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replays_keep_to_their_rate_and_make_up_for_nothing() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(Some(100.0), start);
        assert_eq!((pace.step_max(500), pace.wait(start)), (25, Duration::ZERO));
        pace.did(25);
        assert_eq!(pace.wait(at(50)), Duration::from_millis(200));
        assert_eq!(pace.wait(at(5_000)), Duration::ZERO);
        pace.did(25);
        assert_eq!(
            pace.wait(at(5_000)),
            Duration::from_millis(250),
            "counted from the pause's end"
        );
        assert_eq!(Pace::new(None, start).step_max(500), 500);
        assert_eq!(Pace::new(Some(0.1), start).step_max(500), 1);
    }

    #[test]
    fn replays_wait_while_webhooks_wait_for_long() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut backlog = Backlog::new();
        assert!(backlog.is_due(start));
        assert!(!backlog.grows(Some(10_000), at(0)), "for no time yet");
        assert!(!backlog.grows(Some(10_000), at(5)));
        assert!(backlog.grows(Some(10_000), at(6)));
        assert!(backlog.grows(Some(501), at(7)));
        assert!(!backlog.grows(Some(500), at(8)));
        assert!(!backlog.grows(Some(10_000), at(13)));
        assert!(!backlog.grows(None, at(60)), "a queue that is away refuses by itself");
    }
}
