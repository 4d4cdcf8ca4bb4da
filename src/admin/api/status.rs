//! `GET /api/v1/status`: whether every webhook is accounted for, and what waits.

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::error::Refused;
use crate::admin::Admin;
use crate::equation::Equation;
use crate::queue::{Depth, FileDepth, LaneDepth};

/// What is in a queue file.
#[derive(Serialize, ToSchema)]
pub(super) struct FileReport {
    /// Webhooks in it.
    webhooks: u64,
    /// Size of what is used of it.
    bytes: u64,
    /// Size from which on nothing more is taken in.
    bytes_max: u64,
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
    /// How long ago the oldest ready one arrived at the door; none if nothing is ready, or if nobody
    /// here can know.
    pub oldest_age_ms: Option<i64>,
}

/// Whether every webhook is accounted for, and what waits.
#[derive(Serialize, ToSchema)]
pub(super) struct StatusReport {
    /// None where this process can't count it all: it needs the tables and the books of every door.
    equation: Option<Equation>,
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
            oldest_age_ms: lane.oldest_received_at_ms.map(|oldest| (now_ms - oldest).max(0)),
        }
    }
}

impl From<FileDepth> for FileReport {
    fn from(file: FileDepth) -> Self {
        let FileDepth { webhooks, bytes, bytes_max } = file;
        Self { webhooks, bytes, bytes_max }
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
        lanes: depth.map(lanes),
        file: depth.and_then(|depth| depth.file).map(FileReport::from),
        broker_answers: depth.and_then(|depth| depth.broker_answers),
    }))
}
