//! `/api/v1/replay-jobs`: what replays, and what it has done.

use actix_web::{HttpRequest, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::Refused;
use super::filter::{ApiQuery, BeforeQuery, limit, next};
use super::{ApiError, Problem, actor};
use crate::admin::{Admin, Caller};
use crate::clock::{Clock, SystemClock};
use crate::store::audit::Actor;
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::store::operations::job::{JobOutcomes, JobState, ReplayJob};

/// A page of jobs, newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Jobs {
    pub(in crate::admin) jobs: Vec<JobReport>,
    /// `before` of the next page; none after the last.
    pub(in crate::admin) next: Option<i64>,
}

/// A job that replays dead letters.
#[derive(Serialize, ToSchema)]
pub struct JobReport {
    /// Its number.
    pub id: i64,
    /// An interrupted one goes on when it is asked for again.
    pub state: JobState,
    /// Of which dead letters.
    pub filter: DeadLetterFilter,
    /// Most per second; none: as many as the queue bears.
    pub rate: Option<f64>,
    /// How many they are.
    pub total: i64,
    /// How many were published so far.
    pub replayed: i64,
    /// Who asked for it.
    pub requested_by: String,
    /// From where.
    pub requested_from: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How many replays ended how; `on_their_way` have not yet.
    pub outcomes: JobOutcomes,
}

impl JobReport {
    /// Of a job as it is now.
    pub fn new(job: ReplayJob, outcomes: JobOutcomes) -> Self {
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
    ApiQuery(page): ApiQuery<BeforeQuery>,
) -> Result<web::Json<Jobs>, ApiError> {
    Ok(web::Json(read(&admin, page.before, page.limit).await?))
}

/// A page of them.
pub(in crate::admin) async fn read(
    admin: &Admin,
    before: Option<i64>,
    asked: Option<u64>,
) -> Result<Jobs, ApiError> {
    let limit = limit(asked)?;
    let jobs = admin.store()?.jobs(before, limit).await?;
    let next = next(&jobs, limit, |job| job.id);
    Ok(Jobs { jobs: reports(admin, jobs).await?, next })
}

/// One of them.
pub(in crate::admin) async fn show(admin: &Admin, id: i64) -> Result<JobReport, ApiError> {
    let job = admin.store()?.job(id).await?.ok_or(ApiError::NotFound("job"))?;
    report(admin, job).await
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
    Ok(web::Json(cancel_job(&admin, *id, &actor(&caller, &request)).await?))
}

/// Cancels a job on behalf of somebody.
pub(in crate::admin) async fn cancel_job(
    admin: &Admin,
    id: i64,
    actor: &Actor,
) -> Result<JobReport, ApiError> {
    let job = admin.store()?.cancel_job(id, actor).await?;
    report(admin, job.ok_or(ApiError::NotFound("running job"))?).await
}

async fn report(admin: &Admin, job: ReplayJob) -> Result<JobReport, ApiError> {
    let outcomes = admin.store()?.job_outcomes(&[job.id]).await?.remove(&job.id);
    Ok(JobReport::new(job, outcomes.unwrap_or_default()))
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
