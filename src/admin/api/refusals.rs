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

/// Requests that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RefusalGroup {
    /// The configured source that they were for; none if there is no such source.
    pub source: Option<String>,
    /// Why, in a word.
    pub reason: String,
    /// The status code of the last answer.
    pub status: u16,
    /// How many there are, of the last ones that are kept.
    pub count: u64,
    /// When the last one came.
    pub last_at: DateTime<Utc>,
    /// Who sent that.
    pub last_address: String,
    /// What is wrong, and what helps.
    pub remedy: String,
}

impl RefusalGroup {
    /// A group for each source and reason, in the order in which the refusals are: the newest first.
    pub fn all(refusals: Vec<RefusalReport>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for RefusalReport { at, address, source, status, reason, remedy } in refusals {
            let same = |group: &&mut Self| group.source == source && group.reason == reason;
            if let Some(group) = groups.iter_mut().find(same) {
                group.count += 1;
            } else {
                let (last_at, last_address) = (at, address);
                let group =
                    Self { source, reason, status, count: 1, last_at, last_address, remedy };
                groups.push(group);
            }
        }
        groups
    }
}

impl RefusalReport {
    /// The last ones, the newest first.
    pub(in crate::admin) fn last(admin: &Admin) -> Vec<Self> {
        admin.metrics.door.refusals.last().into_iter().map(Self::from).collect()
    }
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
    web::Json(RefusalReport::last(&admin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_grouped_by_source_and_reason() {
        let refusal = |source: &str, reason: &str, second: i64| RefusalReport {
            at: DateTime::from_timestamp(second, 0).unwrap(),
            address: format!("10.0.0.{second}"),
            source: Some(source.to_owned()),
            status: 401,
            reason: reason.to_owned(),
            remedy: "compare".to_owned(),
        };
        let all = vec![
            refusal("a", "signature", 3),
            refusal("b", "signature", 2),
            refusal("a", "signature", 1),
        ];
        let groups = RefusalGroup::all(all);
        assert_eq!((groups.len(), groups[0].count, groups[1].count), (2, 2, 1));
        assert_eq!(groups[0].last_address, "10.0.0.3");
    }
}
