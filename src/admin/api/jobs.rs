//! `/api/v1/replay-jobs`: what replays, and what it has done.

use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Refused;
use super::filter::{BeforeQuery, limit, next};
use super::{ApiError, Problem, actor};
use crate::admin::{Admin, Caller};
use crate::clock::{Clock, SystemClock};
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::store::operations::job::{JobOutcomes, JobState, ReplayJob};

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
    /// An interrupted one goes on when it is asked for again.
    #[schema(inline)]
    state: JobState,
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
    outcomes: JobOutcomes,
}

impl JobReport {
    fn new(job: ReplayJob, outcomes: JobOutcomes) -> Self {
        Self {
            id: job.id,
            state: JobState::of(&job, SystemClock.now()),
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
    get, path = "/api/v1/replay-jobs", tag = "dead letters", params(BeforeQuery),
    responses((status = 200, body = Jobs), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    page: web::Query<BeforeQuery>,
) -> Result<web::Json<Jobs>, ApiError> {
    let limit = limit(page.limit)?;
    let jobs = admin.store()?.jobs(page.before, limit).await?;
    let next = next(&jobs, limit, |job| job.id);
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
    let mut outcomes = admin.store()?.job_outcomes(&ids).await?;
    let report = |job: ReplayJob| {
        let outcomes = outcomes.remove(&job.id).unwrap_or_default();
        JobReport::new(job, outcomes)
    };
    Ok(jobs.into_iter().map(report).collect())
}
