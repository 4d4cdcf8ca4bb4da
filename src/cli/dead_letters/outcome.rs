//! What became of what was replayed: workers decide it, after the job has published.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::cli::output::errln;
use crate::store::operations::job::{GroupAgain, JobOutcomes, ON_THEIR_WAY};
use crate::store::{Store, StoreError};

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// So long nothing may end before it is said that the rest goes on by itself. Longer than a beat.
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker beats several times in this time.
const SEEN_MAX: TimeDelta = TimeDelta::minutes(1);

/// How many ended how, and of which groups those are that failed again.
#[derive(Serialize)]
pub(super) struct ReplayOutcome {
    outcomes: JobOutcomes,
    dead_again: Vec<GroupAgain>,
}

/// Waits until each has ended, or until nobody can say when that is.
pub(super) async fn wait(
    context: &Context<'_>,
    job: i64,
    stop: &CancellationToken,
) -> anyhow::Result<ReplayOutcome> {
    let store = &context.store;
    let mut outcomes = look(store, job).await?;
    if on_their_way(&outcomes) > 0 && !has_worker(context).await? {
        errln!(
            "no worker has been seen for a minute: start `waha-ingest up` or `work`; \
             `dead-letters jobs` says what became of them"
        );
        return tell(store, job, outcomes).await;
    }
    let mut moved_at = Instant::now();
    while on_their_way(&outcomes) > 0 && moved_at.elapsed() < PATIENCE {
        if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            break;
        }
        let now = look(store, job).await?;
        if now != outcomes {
            (outcomes, moved_at) = (now, Instant::now());
        }
    }
    if on_their_way(&outcomes) > 0 {
        errln!(
            "not waiting any longer: `webhooks retrying` says what waits for its next attempt, \
             `dead-letters jobs` what became of them"
        );
    }
    tell(store, job, outcomes).await
}

async fn look(store: &Store, job: i64) -> Result<JobOutcomes, StoreError> {
    Ok(store.job_outcomes(&[job]).await?.remove(&job).unwrap_or_default())
}

fn on_their_way(outcomes: &JobOutcomes) -> i64 {
    outcomes.get(ON_THEIR_WAY).copied().unwrap_or_default()
}

async fn has_worker(context: &Context<'_>) -> anyhow::Result<bool> {
    let now = context.clock.now();
    let workers = context.store.processes().await?;
    Ok(workers.iter().any(|row| now - row.seen_at < SEEN_MAX))
}

async fn tell(store: &Store, job: i64, outcomes: JobOutcomes) -> anyhow::Result<ReplayOutcome> {
    let dead_again = store.groups_again(job).await?;
    Ok(ReplayOutcome { outcomes, dead_again })
}

impl ReplayOutcome {
    /// For people.
    pub(super) fn line(&self) -> String {
        let words: BTreeMap<&str, &str> =
            [("dead_lettered", "dead again"), (ON_THEIR_WAY, "on their way")].into();
        let mut outcomes = self.outcomes.clone();
        let mut parts = vec![format!("{} applied", outcomes.remove("applied").unwrap_or_default())];
        let part = |(name, count): (&String, &i64)| {
            format!("{count} {}", words.get(name.as_str()).unwrap_or(&name.as_str()))
        };
        parts.extend(outcomes.iter().map(part));
        let group = |GroupAgain { group, count }: &GroupAgain| format!("{group} ({count})");
        let groups: Vec<String> = self.dead_again.iter().map(group).collect();
        match groups.len() {
            0 => parts.join(", "),
            1 => format!("{}: group {}", parts.join(", "), groups[0]),
            _ => format!("{}: groups {}", parts.join(", "), groups.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_became_of_each() {
        let outcomes = |counts: &[(&str, i64)]| {
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let again = |group: &str, count| GroupAgain { group: group.to_owned(), count };
        let all = ReplayOutcome {
            outcomes: outcomes(&[("dead_lettered", 8)]),
            dead_again: vec![again("106ea1ee76118e36", 8)],
        };
        assert_eq!(all.line(), "0 applied, 8 dead again: group 106ea1ee76118e36 (8)");
        let some = ReplayOutcome {
            outcomes: outcomes(&[("applied", 3), ("ignored", 1), (ON_THEIR_WAY, 2)]),
            dead_again: Vec::new(),
        };
        assert_eq!(some.line(), "3 applied, 1 ignored, 2 on their way");
    }
}
