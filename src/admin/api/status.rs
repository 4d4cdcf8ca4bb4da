//! `GET /api/v1/status`: whether every webhook is accounted for, and what waits.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::error::Refused;
use crate::accounting::Accounting;
use crate::admin::Admin;
use crate::queue::spool::DoorProcess;
use crate::queue::{Depth, FileDepth, LaneDepth};
use crate::store::operations::processes::{AHEAD_MAX, ProcessRow, in_hand};

/// What is in a queue file.
#[derive(Serialize, ToSchema)]
pub(super) struct FileReport {
    /// Webhooks in it.
    webhooks: u64,
    /// Size of what is used of it.
    bytes: u64,
    /// Size from which on nothing more is taken in.
    bytes_max: u64,
    /// Accepted webhooks that damage took out of it, in the file of what was set aside.
    set_aside: u64,
    /// Accepted webhooks that may be missing because of damage, beside those.
    missing: u64,
}

/// What waits in a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LaneReport {
    /// `sessions`, `messages`, `calls` or `chats`.
    pub lane: &'static str,
    /// Ready, or in a worker's hand.
    pub ready: u64,
    /// Waiting for their next attempt.
    pub retrying: u64,
    /// For how long nothing has left the retry queues beyond their longest wait; 0 while all go in time.
    /// None where this process does not look after them.
    pub retries_late_ms: Option<u64>,
    /// How long ago the oldest ready one arrived at the door; none if nothing is ready, or if nobody
    /// here can know.
    pub oldest_age_ms: Option<i64>,
}

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
            role: "door".to_owned(),
            host: door.host.clone(),
            pid: door.pid.into(),
            version: door.version.clone(),
            started_at: DateTime::from_timestamp_millis(door.started_ms),
            seen_age_ms: seen_age_ms(door.seen_ms, now_ms),
            in_hand: None,
        }
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

/// Whether every webhook is accounted for, and what waits.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusReport {
    /// None where this process can't count it all: it needs the tables and the books of every door.
    equation: Option<Accounting>,
    /// Who works; none where this process has no tables, or can't read them now.
    processes: Option<Vec<ProcessReport>>,
    /// By lane; none while the queue does not answer.
    lanes: Option<Vec<LaneReport>>,
    /// The file of the embedded queue or of the spool, where this process has one.
    file: Option<FileReport>,
    /// Whether the broker answers; none without one.
    broker_answers: Option<bool>,
}

impl LaneReport {
    /// Of a lane as it is now.
    pub fn new(lane: &LaneDepth, now_ms: i64) -> Self {
        Self {
            lane: lane.lane.name(),
            ready: lane.ready,
            retrying: lane.retrying,
            retries_late_ms: lane
                .retries_late
                .map(|it| it.as_millis().try_into().unwrap_or(u64::MAX)),
            oldest_age_ms: lane.oldest_received_at_ms.map(|oldest| (now_ms - oldest).max(0)),
        }
    }
}

impl From<FileDepth> for FileReport {
    fn from(file: FileDepth) -> Self {
        let FileDepth { webhooks, bytes, bytes_max, set_aside, missing } = file;
        Self { webhooks, bytes, bytes_max, set_aside, missing }
    }
}

/// Whether every webhook is accounted for, and what waits. Counting is shared by all who ask within
/// some seconds.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "process",
    responses((status = 200, body = StatusReport), Refused)
)]
pub(super) async fn status(admin: web::Data<Admin>) -> Result<web::Json<StatusReport>, ApiError> {
    let equation = admin.count().await;
    let sight = admin.observer.look().await;
    let depth = sight.as_ref().and_then(|sight| sight.depth.as_ref());
    let now_ms = sight.as_ref().map_or(0, |sight| sight.at_ms);
    let lanes = |depth: &Depth| depth.lanes.iter().map(|it| LaneReport::new(it, now_ms)).collect();
    Ok(web::Json(StatusReport {
        equation,
        processes: admin.processes(now_ms).await,
        lanes: depth.map(lanes),
        file: depth.and_then(|depth| depth.file).map(FileReport::from),
        broker_answers: depth.and_then(|depth| depth.broker_answers),
    }))
}
