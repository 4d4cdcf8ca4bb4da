//! How old the oldest webhook on the broker may be, seen from the door, where it can be told while no
//! worker runs. A broker can't be asked for it.
//!
//! Called by `spool.rs`. Two things are known: when a lane was last seen empty, and what this door has
//! published to it since. If that is at least as much as waits there now, the oldest of as many is not
//! younger than the truth; if it is less, somebody else published too, but nothing waited when the
//! lane was seen empty. Invariant: never younger than the truth, but for what a worker that
//! died since had in hand.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::count::legacy::{get, set};
use crate::queue::sqlite::connect;
use crate::queue::{Lane, LaneDepth, QueueError};

/// Seconds that are kept apart; then each two become one, so that it never forgets.
const STEPS_MAX: usize = 1024;

/// How often the file is told that a lane is empty: after a restart the bound is that much looser.
const KEEP_EVERY_MS: i64 = 60_000;

/// What is known of all lanes.
pub(super) struct Ages {
    lanes: Mutex<[LaneAge; Lane::ALL.len()]>,
    path: PathBuf,
}

/// What is known of a lane.
#[derive(Clone, Debug, Default)]
struct LaneAge {
    /// When it was last seen empty, ms since 1970.
    empty_at_ms: Option<i64>,
    /// The same as the file has it.
    kept_ms: Option<i64>,
    /// What was published since, oldest first.
    steps: VecDeque<Step>,
    /// The last answer, for while the broker is away.
    oldest_received_at_ms: Option<i64>,
}

/// Webhooks that were published at about one time.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// When the last of them was published.
    until_ms: i64,
    webhooks: u64,
    /// When the oldest of them came to the door. Spooled ones came long before.
    oldest_received_at_ms: i64,
}

fn key(lane: Lane) -> String {
    format!("empty_at_ms.{}", lane.name())
}

impl Ages {
    /// With what the spool file at `path` knows from before; nothing, while that can't be opened.
    pub(super) fn open_or_forget(path: &Path) -> Self {
        Self::open(path).unwrap_or_else(|_| Self { lanes: Mutex::default(), path: path.to_owned() })
    }

    /// With what the spool file at `path` knows from before.
    pub(super) fn open(path: &Path) -> Result<Self, QueueError> {
        let file = connect(path)?;
        let mut lanes: [LaneAge; Lane::ALL.len()] = Default::default();
        for lane in Lane::ALL {
            let kept_ms = Some(get(&file, &key(lane))?).filter(|ms| *ms > 0);
            let kept_ms = kept_ms.map(u64::cast_signed);
            lanes[lane as usize] = LaneAge { empty_at_ms: kept_ms, kept_ms, ..LaneAge::default() };
        }
        Ok(Self { lanes: Mutex::new(lanes), path: path.to_owned() })
    }

    fn with<R>(&self, lane: Lane, step: impl FnOnce(&mut LaneAge) -> R) -> R {
        step(&mut self.lanes.lock().unwrap_or_else(PoisonError::into_inner)[lane as usize])
    }

    /// The broker confirmed a webhook.
    pub(super) fn published(&self, lane: Lane, received_at_ms: i64, now_ms: i64) {
        self.with(lane, |age| age.published(received_at_ms, now_ms));
    }

    /// Adds the age to what the broker said at `asked_at_ms` or later.
    pub(super) fn tell(&self, depth: &mut LaneDepth, asked_at_ms: i64) {
        let told = self.with(depth.lane, |age| age.oldest(depth.ready, asked_at_ms));
        depth.oldest_received_at_ms = depth.oldest_received_at_ms.or(told);
    }

    /// When the oldest came of what was last known to wait on the broker.
    pub(super) fn last_known(&self, lane: Lane) -> Option<i64> {
        self.with(lane, |age| age.oldest_received_at_ms)
    }

    /// Writes what a restart must not forget, if it changed enough. Waits for the disk.
    pub(super) fn keep(&self) -> Result<(), QueueError> {
        let due = Lane::ALL.into_iter().filter_map(|lane| {
            Some((lane, self.with(lane, |age| age.empty_at_ms.filter(|_| age.is_due()))?))
        });
        let mut file: Option<Connection> = None;
        for (lane, empty_at_ms) in due {
            let file = match &file {
                Some(file) => file,
                None => file.insert(connect(&self.path)?),
            };
            set(file, &key(lane), empty_at_ms)?;
            self.with(lane, |age| age.kept_ms = Some(empty_at_ms));
        }
        Ok(())
    }
}

/// When the spool file at `path` last saw each lane empty, in the order of [`Lane::ALL`].
pub(super) fn empty_at_ms(path: &Path) -> Result<[Option<i64>; Lane::ALL.len()], QueueError> {
    let ages = Ages::open(path)?;
    Ok(Lane::ALL.map(|lane| ages.with(lane, |age| age.empty_at_ms)))
}

impl LaneAge {
    fn is_due(&self) -> bool {
        let since = |kept| self.empty_at_ms.map_or(0, |at| at - kept);
        self.kept_ms.is_none_or(|kept| since(kept) >= KEEP_EVERY_MS)
    }

    fn published(&mut self, received_at_ms: i64, now_ms: i64) {
        if let Some(last) = self.steps.back_mut()
            && last.until_ms / 1000 == now_ms / 1000
        {
            last.until_ms = now_ms;
            last.webhooks += 1;
            last.oldest_received_at_ms = last.oldest_received_at_ms.min(received_at_ms);
            return;
        }
        if self.steps.len() == STEPS_MAX {
            self.halve();
        }
        let oldest_received_at_ms = received_at_ms;
        self.steps.push_back(Step { until_ms: now_ms, webhooks: 1, oldest_received_at_ms });
    }

    /// Coarser is older, never younger.
    fn halve(&mut self) {
        let steps: Vec<Step> = self.steps.drain(..).collect();
        self.steps = steps.chunks(2).filter_map(|two| two.iter().copied().reduce(join)).collect();
    }

    /// When the oldest of `ready` came to the door, or before; none if nothing is ready, or if nobody
    /// knows.
    fn oldest(&mut self, ready: u64, asked_at_ms: i64) -> Option<i64> {
        self.oldest_received_at_ms = if ready == 0 {
            // What is published while the broker counts may be there or not.
            self.steps.retain(|step| step.until_ms >= asked_at_ms);
            self.empty_at_ms = Some(asked_at_ms);
            None
        } else {
            self.bound(ready)
        };
        self.oldest_received_at_ms
    }

    fn bound(&self, ready: u64) -> Option<i64> {
        let mut newest = self.steps.iter().rev();
        let (mut webhooks, mut oldest) = (0, i64::MAX);
        while webhooks < ready
            && let Some(step) = newest.next()
        {
            webhooks += step.webhooks;
            oldest = oldest.min(step.oldest_received_at_ms);
        }
        if webhooks >= ready { Some(oldest) } else { Some(self.empty_at_ms?.min(oldest)) }
    }
}

fn join(one: Step, other: Step) -> Step {
    Step {
        until_ms: one.until_ms.max(other.until_ms),
        webhooks: one.webhooks + other.webhooks,
        oldest_received_at_ms: one.oldest_received_at_ms.min(other.oldest_received_at_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_as_this_door_published_is_as_old_as_that() {
        let mut age = LaneAge::default();
        for second in 1..=10 {
            age.published(second * 1000, second * 1000 + 5);
        }
        assert_eq!(age.oldest(3, 11_000), Some(8000));
        assert_eq!(age.oldest(10, 11_000), Some(1000));
        // More than it published, and nobody knows since when.
        assert_eq!(age.oldest(11, 11_000), None);
    }

    #[test]
    fn what_others_published_came_after_the_lane_was_empty() {
        let mut age = LaneAge::default();
        assert_eq!(age.oldest(0, 5000), None);
        age.published(6000, 6001);
        assert_eq!(age.oldest(2, 9000), Some(5000));
        // Spooled long before, and published only now.
        age.published(1000, 9500);
        assert_eq!(age.oldest(5, 10_000), Some(1000));
        // Empty again: all that is gone, but for what was published meanwhile.
        age.published(11_500, 11_501);
        assert_eq!(age.oldest(0, 11_000), None);
        assert_eq!(age.oldest(1, 12_000), Some(11_500));
        assert_eq!(age.oldest(2, 12_000), Some(11_000));
    }

    #[test]
    fn a_long_time_is_kept_in_few_steps_that_are_never_too_young() {
        let mut age = LaneAge::default();
        let seconds = 100_000;
        for second in 0..seconds {
            age.published(second * 1000, second * 1000);
        }
        assert!(age.steps.len() <= STEPS_MAX);
        for ready in [1, 10, 1000, 50_000, 100_000] {
            let exact = (seconds - i64::try_from(ready).unwrap()) * 1000;
            let told = age.oldest(ready, seconds * 1000).unwrap();
            assert!(told <= exact, "{ready}: {told} is younger than {exact}");
        }
        assert_eq!(age.oldest(1, seconds * 1000), Some((seconds - 1) * 1000));
    }
}
