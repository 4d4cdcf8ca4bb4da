//! Where a webhook waits for its next attempt: a few queues ("rungs"), each for waits of about one
//! length. Pure.
//!
//! A broker's queue looks at its head only, so one queue for all waits would hold a short one behind
//! a long one. Within a rung waits differ by a quarter at most, and so does what one can be late.

use std::time::Duration;

/// The rungs that are declared: RabbitMQ can't be asked for queues whose names aren't known, so they
/// don't follow the configured ladder. These are its defaults.
pub const RUNGS: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
];

/// How far a wait may be from its rung's, either way.
const SPREAD: f64 = 0.25;

/// The rung that is nearest to a wait, and the wait that it gives.
pub(super) fn rung(rungs: &[Duration], after: Duration) -> Option<(Duration, Duration)> {
    let distance = |rung: &Duration| (ratio(*rung) / ratio(after)).ln().abs();
    let nearest = *rungs.iter().min_by(|one, other| distance(one).total_cmp(&distance(other)))?;
    Some((nearest, after.clamp(nearest.mul_f64(1.0 - SPREAD), longest(nearest))))
}

/// The longest wait that a rung gives.
pub(super) fn longest(rung: Duration) -> Duration {
    rung.mul_f64(1.0 + SPREAD)
}

/// A wait as a number above zero, so that it has a logarithm.
fn ratio(wait: Duration) -> f64 {
    wait.as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_ladder_keeps_its_jitter() {
        for (told, nearest) in [(4.5, 5), (5.5, 5), (33.0, 30), (108.0, 120), (3960.0, 3600)] {
            let told = Duration::from_secs_f64(told);
            assert_eq!(rung(&RUNGS, told), Some((Duration::from_secs(nearest), told)));
        }
    }

    #[test]
    fn other_waits_are_near_and_none_is_lost() {
        for seconds in [0, 1, 12, 60, 86_400] {
            let (nearest, wait) = rung(&RUNGS, Duration::from_secs(seconds)).unwrap();
            assert!(wait >= nearest.mul_f64(0.74) && wait <= nearest.mul_f64(1.26));
        }
        assert_eq!(rung(&[], Duration::ZERO), None);
    }
}
