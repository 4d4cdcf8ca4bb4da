//! `GET /api/v1/refusals`: what this process's door refused last, and what helps.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::Refused;
use crate::admin::Admin;
use crate::telemetry::refusals::Refusal;

/// A request that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalReport {
    /// When.
    pub at: DateTime<Utc>,
    /// Who sent it: an address of IPv4, or the network of one of IPv6.
    pub address: String,
    /// The configured source that it was for; none if there is no such source.
    pub source: Option<String>,
    /// The status code of the answer.
    pub status: u16,
    /// Why, in a word.
    pub reason: String,
    /// What is wrong, and what helps.
    pub remedy: String,
}

impl From<Refusal> for RefusalReport {
    fn from(refusal: Refusal) -> Self {
        let Refusal { at_ms, address, source, reason } = refusal;
        Self {
            at: DateTime::from_timestamp_millis(at_ms).unwrap_or_default(),
            remedy: reason.explain(source.as_deref()),
            status: reason.status(),
            reason: reason.name().to_owned(),
            address,
            source,
        }
    }
}

/// The last 200 requests that the door of this process refused since its start, the newest first; none
/// where it has no door. Nothing of what was sent is kept.
#[utoipa::path(
    get, path = "/api/v1/refusals", tag = "process",
    responses((status = 200, body = Vec<RefusalReport>), Refused)
)]
pub(super) async fn refusals(admin: web::Data<Admin>) -> web::Json<Vec<RefusalReport>> {
    let last = admin.metrics.door.refusals.last();
    web::Json(last.into_iter().map(RefusalReport::from).collect())
}
