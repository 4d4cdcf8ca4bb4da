//! How dependencies stand, by the last use of each kind. Pure; `dependency` guards and exports it.

use std::sync::Arc;

use super::{Dependency, Usage};

/// How a dependency stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the last use of each kind worked.
    pub is_up: bool,
    /// Since when, ms since 1970.
    pub since_ms: i64,
    /// The use that says so: the latest that failed, else the latest.
    pub last_use: LastUse,
}

/// The last use of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// What was done.
    pub usage: Usage,
    /// When it ended, ms since 1970.
    pub at_ms: i64,
    /// Why it failed; none if it worked.
    pub failure: Option<Arc<str>>,
}

/// How a use ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was never used.
    #[default]
    Unknown,
    Worked,
    /// For this reason.
    Failed(Arc<str>),
}

/// How the last use of each kind ended, and since when each dependency stands as it does.
#[derive(Default)]
pub(super) struct Standings {
    endings: [Ending; Usage::ALL.len()],
    since_ms: [Option<i64>; Dependency::ALL.len()],
}

impl Standings {
    /// Takes note of a use. Says whether the dependency went away or came back by it.
    pub(super) fn change(&mut self, usage: Usage, now_ms: i64, ending: Ending) -> bool {
        let dependency = usage.dependency();
        let was_up = self.is_up(dependency);
        self.endings[usage as usize] = ending;
        let is_known = self.since_ms[dependency as usize].is_some();
        let has_changed = !is_known || was_up != self.is_up(dependency);
        if has_changed {
            self.since_ms[dependency as usize] = Some(now_ms);
        }
        has_changed
    }

    /// Whether no kind of use failed last.
    pub(super) fn is_up(&self, dependency: Dependency) -> bool {
        let of_it = |usage: &Usage| usage.dependency() == dependency;
        let mut uses = Usage::ALL.into_iter().filter(of_it);
        uses.all(|usage| !matches!(self.endings[usage as usize], Ending::Failed(_)))
    }

    /// Since when it stands as it does; none before its first use.
    pub(super) fn since_ms(&self, dependency: Dependency) -> Option<i64> {
        self.since_ms[dependency as usize]
    }

    /// The last use of a kind, which ended at `at_ms`; none before the first.
    pub(super) fn last_use(&self, usage: Usage, at_ms: i64) -> Option<LastUse> {
        let failure = match &self.endings[usage as usize] {
            Ending::Unknown => return None,
            Ending::Worked => None,
            Ending::Failed(words) => Some(Arc::clone(words)),
        };
        Some(LastUse { usage, at_ms, failure })
    }
}
