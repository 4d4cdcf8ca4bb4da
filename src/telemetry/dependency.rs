//! What a process depends on: whether its last real use worked, when that was, and since when it is so.
//!
//! A ping that answers says nothing of a full disk or of a right that was revoked, so nothing here comes
//! from pings. Whoever uses a dependency says how that went: `worker` when it receives and applies,
//! the queues when they make a webhook durable. `monitor` has a harmless write tried for what nobody
//! used for a while. Read by `/readyz` and as metrics.
//!
//! Invariant: saying that a use worked costs two loads and a store, because every webhook
//! says it; and what is said of a failure holds no value of a row (see `cause`).

mod standing;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::family;
use standing::{Ending, Standings};

pub use standing::{LastUse, Standing};

/// Something that a process depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// The tables.
    Database,
    /// The broker, or the embedded queue.
    Queue,
    /// The spool in front of a broker.
    Spool,
}

impl Dependency {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Database, Self::Queue, Self::Spool];

    /// In answers and labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Queue => "queue",
            Self::Spool => "spool",
        }
    }
}

/// What a process does with a dependency. A dependency is up while the last use of each kind worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// Writes the rows of a batch and commits them.
    Apply,
    /// Makes a webhook durable in the queue.
    Publish,
    /// Takes webhooks from the queue, also if none waits.
    Receive,
    /// Makes a webhook durable in the spool.
    Spool,
}

impl Usage {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Apply, Self::Publish, Self::Receive, Self::Spool];

    /// What is used.
    pub fn dependency(self) -> Dependency {
        match self {
            Self::Apply => Dependency::Database,
            Self::Publish | Self::Receive => Dependency::Queue,
            Self::Spool => Dependency::Spool,
        }
    }

    /// In answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Publish => "publish",
            Self::Receive => "receive",
            Self::Spool => "spool",
        }
    }
}

/// How all of them stand; none is known before its first use. Clones share it.
#[derive(Clone)]
pub struct Dependencies {
    inner: Arc<Inner>,
    up: IntGaugeVec,
    outages: IntCounterVec,
    last_use: GaugeVec,
}

#[derive(Default)]
struct Inner {
    uses: [UseCell; Usage::ALL.len()],
    /// Changed only when a use ends otherwise than the one before it.
    standings: Mutex<Standings>,
}

/// The last use of one kind.
#[derive(Default)]
struct UseCell {
    /// Ms since 1970; 0 before the first.
    at_ms: AtomicI64,
    worked: AtomicBool,
}

impl Inner {
    fn last_use(&self, standings: &Standings, usage: Usage) -> Option<LastUse> {
        standings.last_use(usage, self.uses[usage as usize].at_ms.load(Ordering::Relaxed))
    }
}

impl Default for Dependencies {
    fn default() -> Self {
        Self::new()
    }
}

impl Dependencies {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            inner: Arc::default(),
            up: family::gauges(
                "dependency_up",
                "1 while the last use of a dependency worked, else 0.",
                &["dependency"],
            ),
            outages: family::counters(
                "outages_total",
                "How often a dependency went away.",
                &["dependency"],
            ),
            last_use: family::times(
                "dependency_last_use_timestamp_seconds",
                "When a dependency was last used, successfully or not, in Unix time.",
                &["dependency"],
            ),
        }
    }

    /// A use has just worked.
    pub fn worked(&self, usage: Usage, now_ms: i64) {
        let cell = &self.inner.uses[usage as usize];
        cell.at_ms.store(now_ms, Ordering::Relaxed);
        if !cell.worked.load(Ordering::Acquire) {
            self.change(usage, now_ms, Ending::Worked);
        }
    }

    /// A use has just failed, through no fault of a single webhook. `words` hold no value of a row and
    /// no secret: `/readyz` shows them.
    pub fn failed(&self, usage: Usage, now_ms: i64, words: &str) {
        self.inner.uses[usage as usize].at_ms.store(now_ms, Ordering::Relaxed);
        self.change(usage, now_ms, Ending::Failed(words.into()));
    }

    /// The same from what it returned.
    pub fn used<T, E: std::error::Error + 'static>(
        &self,
        usage: Usage,
        now_ms: i64,
        result: &Result<T, E>,
    ) {
        match result {
            Ok(_) => self.worked(usage, now_ms),
            Err(error) => self.failed(usage, now_ms, &super::cause::words(error)),
        }
    }

    fn change(&self, usage: Usage, now_ms: i64, ending: Ending) {
        let dependency = usage.dependency();
        let mut standings = self.lock();
        // Under the lock, so that the flag and what it stands for agree.
        let worked = ending == Ending::Worked;
        self.inner.uses[usage as usize].worked.store(worked, Ordering::Release);
        let has_changed = standings.change(usage, now_ms, ending);
        let label = [dependency.name()];
        let is_up = standings.is_up(dependency);
        self.up.with_label_values(&label).set(i64::from(is_up));
        // Adds 0 to a first good one, so that the series is there before its first outage.
        self.outages.with_label_values(&label).inc_by(u64::from(has_changed && !is_up));
    }

    fn lock(&self) -> MutexGuard<'_, Standings> {
        self.inner.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the last use of this kind worked; false before the first.
    pub fn works(&self, usage: Usage) -> bool {
        self.inner.uses[usage as usize].worked.load(Ordering::Acquire)
    }

    /// When something was last used, and how that went; none before the first time.
    pub fn last_use(&self, usage: Usage) -> Option<LastUse> {
        self.inner.last_use(&self.lock(), usage)
    }

    /// How a dependency stands; none if this process has none, or does not know yet.
    pub fn standing(&self, dependency: Dependency) -> Option<Standing> {
        let standings = self.lock();
        let of_it = |usage: &Usage| usage.dependency() == dependency;
        let uses = Usage::ALL.into_iter().filter(of_it);
        let uses = uses.filter_map(|usage| self.inner.last_use(&standings, usage));
        // What failed is what there is to tell; else what was used last.
        let last_use = uses.max_by_key(|it| (it.failure.is_some(), it.at_ms))?;
        let since_ms = standings.since_ms(dependency)?;
        Some(Standing { is_up: standings.is_up(dependency), since_ms, last_use })
    }

    /// Sets what is told of the age of uses; called before metrics are read, which is seldom.
    pub(crate) fn refresh(&self) {
        for dependency in Dependency::ALL {
            if let Some(Standing { last_use, .. }) = self.standing(dependency) {
                let at = family::seconds(last_use.at_ms);
                self.last_use.with_label_values(&[dependency.name()]).set(at);
            }
        }
    }

    pub(crate) fn families(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.up.clone()),
            Box::new(self.outages.clone()),
            Box::new(self.last_use.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_has_the_time_of_its_change_and_outages_count_once() {
        let dependencies = Dependencies::new();
        assert_eq!(dependencies.standing(Dependency::Queue), None);
        dependencies.worked(Usage::Publish, 1);
        dependencies.worked(Usage::Publish, 2);
        dependencies.failed(Usage::Publish, 3, "no disk");
        dependencies.failed(Usage::Publish, 4, "no disk");
        let down = dependencies.standing(Dependency::Queue).unwrap();
        assert_eq!((down.is_up, down.since_ms, down.last_use.at_ms), (false, 3, 4));
        assert_eq!(down.last_use.failure.as_deref(), Some("no disk"));
        dependencies.worked(Usage::Publish, 5);
        let up = dependencies.standing(Dependency::Queue).unwrap();
        assert_eq!((up.is_up, up.since_ms, up.last_use.failure), (true, 5, None));
        assert_eq!(dependencies.outages.with_label_values(&["queue"]).get(), 1);
        assert_eq!(dependencies.up.with_label_values(&["queue"]).get(), 1);
    }

    #[test]
    fn one_kind_of_use_that_works_does_not_hide_another_that_fails() {
        let dependencies = Dependencies::new();
        dependencies.failed(Usage::Publish, 1, "refused");
        dependencies.worked(Usage::Receive, 2);
        let standing = dependencies.standing(Dependency::Queue).unwrap();
        assert!(!standing.is_up);
        assert_eq!(standing.last_use.usage, Usage::Publish);
        dependencies.worked(Usage::Publish, 3);
        assert_eq!(dependencies.standing(Dependency::Queue).unwrap().since_ms, 3);
        assert!(dependencies.works(Usage::Receive) && !dependencies.works(Usage::Apply));
    }
}
