//! `/api/v1/replay-jobs`: what replays, and what it has done.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Refused;
use super::filter::limit;
use super::{ApiError, Problem, actor};
use crate::admin::{Admin, Caller};
use crate::clock::{Clock, SystemClock};
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::store::operations::job::{JobState, ReplayJob};

/// Which page of a list, newest first.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageOf {
    /// Only numbers below this one: `next` of the page before.
    before: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// A page of jobs, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Jobs {
    jobs: Vec<JobReport>,
    /// `before` of the next page; none after the last.
    next: Option<i64>,
}

/// A job that replays dead letters.
#[derive(Serialize, ToSchema)]
pub(super) struct JobReport {
    id: i64,
    /// `running`, `interrupted` (asked for again it goes on), `done` or `cancelled`.
    state: &'static str,
    filter: DeadLetterFilter,
    /// Most per second; none: as many as the queue bears.
    rate: Option<f64>,
    total: i64,
    replayed: i64,
    requested_by: String,
    requested_from: String,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// How many replays ended how; `on_their_way` have not yet.
    outcomes: BTreeMap<String, i64>,
}

impl JobReport {
    fn new(job: ReplayJob, outcomes: BTreeMap<String, i64>) -> Self {
        Self {
            id: job.id,
            state: JobState::of(&job, SystemClock.now()).name(),
            filter: serde_json::from_str(&job.filter).unwrap_or_default(),
            rate: job.rate,
            total: job.total,
            replayed: job.replayed,
            requested_by: job.requested_by,
            requested_from: job.requested_from,
            started_at: job.started_at,
            ended_at: job.ended_at,
            outcomes,
        }
    }
}

/// List the jobs that replay dead letters, newest first.
#[utoipa::path(
    get, path = "/api/v1/replay-jobs", tag = "dead letters", params(PageOf),
    responses((status = 200, body = Jobs), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    page: web::Query<PageOf>,
) -> Result<web::Json<Jobs>, ApiError> {
    let limit = limit(page.limit)?;
    let jobs = admin.store()?.jobs(page.before, limit).await?;
    let is_full = jobs.len() as u64 == limit;
    let next = jobs.last().filter(|_| is_full).map(|job| job.id);
    Ok(web::Json(Jobs { jobs: reports(&admin, jobs).await?, next }))
}

/// Cancel a job for good; what it has published is not taken back.
#[utoipa::path(
    post, path = "/api/v1/replay-jobs/{id}/cancel", tag = "dead letters",
    params(("id" = i64, Path)),
    responses(
        (status = 200, body = JobReport),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn cancel(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    id: web::Path<i64>,
) -> Result<web::Json<JobReport>, ApiError> {
    let job = admin.store()?.cancel_job(*id, &actor(&caller, &request)).await?;
    let job = job.ok_or(ApiError::NotFound("running job"))?;
    let report = reports(&admin, vec![job]).await?.pop();
    Ok(web::Json(report.ok_or(ApiError::NotFound("running job"))?))
}

async fn reports(admin: &Admin, jobs: Vec<ReplayJob>) -> Result<Vec<JobReport>, ApiError> {
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    let mut outcomes: BTreeMap<i64, BTreeMap<String, i64>> = BTreeMap::new();
    for row in admin.store()?.job_outcomes(&ids).await? {
        let outcome = row.outcome.unwrap_or_else(|| "on_their_way".to_owned());
        outcomes.entry(row.job_id).or_default().insert(outcome, row.count);
    }
    let report = |job: ReplayJob| {
        let outcomes = outcomes.remove(&job.id).unwrap_or_default();
        JobReport::new(job, outcomes)
    };
    Ok(jobs.into_iter().map(report).collect())
}
