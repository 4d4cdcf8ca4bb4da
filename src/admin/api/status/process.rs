//! Who runs, by its own word, and what a process says of what it uses.

use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::api::RefusalGroup;
use crate::queue::spool::DoorProcess;
use crate::store::operations::processes::{AHEAD_MAX, ProcessRow, in_hand};

/// A process that takes webhooks in or applies them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProcessReport {
    /// `door`, `work` or `up`.
    pub role: String,
    /// The machine, pod or container.
    pub host: String,
    /// Its number there.
    pub pid: u64,
    /// Its release.
    pub version: String,
    /// When it started, by its own clock.
    pub started_at: Option<DateTime<Utc>>,
    /// How long ago it was heard of; one that is not heard of for some seconds is frozen, or ended
    /// without a word. None if that lies more than an hour ahead: its clock was wrong, so nobody knows
    /// whether it lives.
    pub seen_age_ms: Option<u64>,
    /// Webhooks that it has taken from the broker and not ended; none if it can't tell, or has no broker.
    pub in_hand: Option<u64>,
}

/// A worker beats several times in this time.
const SEEN_MAX_MS: u64 = 60_000;

/// The role of a door; workers have the names of their commands.
const DOOR: &str = "door";

impl ProcessReport {
    /// Of a worker's row.
    pub fn of_worker(row: &ProcessRow, now_ms: i64) -> Self {
        Self {
            role: row.role.clone(),
            host: row.host.clone(),
            pid: row.pid.unsigned_abs(),
            version: row.version.clone(),
            started_at: Some(row.started_at),
            seen_age_ms: seen_age_ms(row.seen_at.timestamp_millis(), now_ms),
            in_hand: in_hand(row).map(|in_hand| in_hand.total()),
        }
    }

    /// Of a door's count file.
    pub fn of_door(door: &DoorProcess, now_ms: i64) -> Self {
        Self {
            role: DOOR.to_owned(),
            host: door.host.clone(),
            pid: door.pid.into(),
            version: door.version.clone(),
            started_at: DateTime::from_timestamp_millis(door.started_ms),
            seen_age_ms: seen_age_ms(door.seen_ms, now_ms),
            in_hand: None,
        }
    }

    /// Whether one of them works and was heard of a moment ago.
    pub fn has_worker(all: &[Self]) -> bool {
        let is_heard = |age_ms| age_ms < SEEN_MAX_MS;
        all.iter().any(|it| it.role != DOOR && it.seen_age_ms.is_some_and(is_heard))
    }

    /// For people.
    pub fn line(&self) -> String {
        let Self { role, host, pid, version, seen_age_ms, in_hand, .. } = self;
        let in_hand = in_hand.map(|count| format!(", {count} in hand")).unwrap_or_default();
        let seen = seen_age_ms.map_or_else(
            || "clock ahead, not known when it was last seen".to_owned(),
            |age_ms| format!("seen {} s ago", age_ms / 1000),
        );
        format!("{role}: {host} {pid}, {version}, {seen}{in_hand}")
    }
}

/// Clocks differ by a little, so what is not far ahead is now.
fn seen_age_ms(at_ms: i64, now_ms: i64) -> Option<u64> {
    let age_ms = now_ms.saturating_sub(at_ms);
    (age_ms >= -AHEAD_MAX.num_milliseconds()).then(|| age_ms.max(0).unsigned_abs())
}

/// What the process says that has an admin listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProcessView {
    /// Where it is asked.
    #[schema(value_type = String)]
    pub admin_listen: SocketAddr,
    /// Whether it answers.
    pub answers: bool,
    /// What it depends on and can't use now.
    pub away: Vec<AwayDependency>,
    /// What its door refused last, by source and reason; none if it does not say.
    pub refusals: Option<Vec<RefusalGroup>>,
}

/// Something that a process can't use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AwayDependency {
    /// `database`, `queue` or `spool`.
    pub dependency: String,
    /// When its uses began to fail.
    pub since: DateTime<Utc>,
    /// What its last use failed with.
    pub words: String,
}
