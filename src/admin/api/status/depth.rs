//! What waits, by lane, and what is in the queue file.

use serde::Serialize;
use utoipa::ToSchema;

use crate::queue::{Depth, FileDepth, LaneDepth};

/// What is in a queue file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileReport {
    /// Webhooks in it.
    pub webhooks: u64,
    /// Size of what is used of it.
    pub bytes: u64,
    /// Size from which on nothing more is taken in.
    pub bytes_max: u64,
    /// Accepted webhooks that damage took out of it, in the file of what was set aside.
    pub set_aside: u64,
    /// Accepted webhooks that may be missing because of damage, beside those.
    pub missing: u64,
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

/// Every lane.
pub fn lane_reports(depth: &Depth, now_ms: i64) -> Vec<LaneReport> {
    depth.lanes.iter().map(|lane| LaneReport::new(lane, now_ms)).collect()
}

impl From<FileDepth> for FileReport {
    fn from(file: FileDepth) -> Self {
        let FileDepth { webhooks, bytes, bytes_max, set_aside, missing } = file;
        Self { webhooks, bytes, bytes_max, set_aside, missing }
    }
}
