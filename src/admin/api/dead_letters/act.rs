//! Replay, discard and restore. Without a filter they need `all`; with `dry_run` they only tell.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::api::error::{Refused, RefusedBody};
use crate::admin::api::filter::ApiFilter;
use crate::admin::api::validation::{check_note, check_rate};
use crate::admin::api::{ApiError, Problem, actor};
use crate::admin::{Admin, Caller};
use crate::operations::{Preview, forecast};
use crate::replay;
use crate::store::Store;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::Actor;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterResolution};
use crate::store::operations::job::{JobStart, ReplayJob, ReplayRequest};
use crate::strict_json::{Object, object};
use crate::telemetry::cause::Causes;
use crate::webhook::Receipt;

/// What is to be replayed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(
    json!({ "filter": { "reasons": ["malformed"] }, "rate": 50, "note": "a release reads them" }),
    json!({ "all": true, "dry_run": true })
))]
pub(in crate::admin::api) struct ReplayBody {
    /// Which dead letters; their state is pending.
    #[serde(default, deserialize_with = "object")]
    filter: DeadLetterFilter,
    /// All of them: needed where the filter is empty.
    #[serde(default)]
    all: bool,
    /// Tell what would be touched and how many would succeed; change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Most per second.
    #[schema(exclusive_minimum = 0, maximum = 1_000_000)]
    rate: Option<f64>,
    /// Why, for the audit log.
    note: Option<String>,
}

/// What is to be given up or taken back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(
    json!({ "filter": { "sessions": ["shop"] }, "note": "of a test" }),
    json!({ "all": true, "dry_run": true, "note": "to see how many" })
))]
pub(in crate::admin::api) struct ResolutionBody {
    /// Which dead letters; their state is the one that this is for.
    #[serde(default, deserialize_with = "object")]
    filter: DeadLetterFilter,
    /// All of them: needed where the filter is empty.
    #[serde(default)]
    all: bool,
    /// Tell what would be touched and how many would succeed if processed now; change nothing.
    #[serde(default)]
    dry_run: bool,
    /// Why.
    #[schema(min_length = 1)]
    note: String,
}

/// A job that was started.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct StartedJob {
    /// Its number, for `replay-jobs`.
    pub(in crate::admin) job: i64,
    /// How many it will replay.
    pub(in crate::admin) total: i64,
    /// How many it has replayed before it was interrupted.
    pub(in crate::admin) replayed: i64,
}

/// How many were changed. Describes nothing that holds more, such as a forecast.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin::api) struct Resolved {
    count: u64,
}

/// Publish dead letters again, by a job that goes on after the answer.
///
/// A job of this filter that was interrupted goes on.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/replay", tag = "dead letters", request_body = ReplayBody,
    responses(
        (status = 200, body = Preview, description = "What would be done."),
        (status = 202, body = StartedJob, description = "The job was started."),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        RefusedBody,
        Refused
    )
)]
pub(in crate::admin::api) async fn replay(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    request_body: web::Json<Object<ReplayBody>>,
) -> Result<HttpResponse, ApiError> {
    let Object(request_body) = request_body.into_inner();
    let filter = named(request_body.filter, request_body.all, DeadLetterState::Pending)?;
    let rate = request_body.rate;
    let note = request_body.note.as_deref();
    check_replay(rate, note)?;
    if request_body.dry_run {
        return foresee(&admin, &filter).await;
    }
    let started = start_replay(&admin, &actor(&caller, &request), &filter, rate, note).await?;
    Ok(HttpResponse::Accepted().json(started))
}

fn check_replay(rate: Option<f64>, note: Option<&str>) -> Result<(), ApiError> {
    check_note(note)?;
    check_rate(rate)
}

/// Starts a job on behalf of somebody, or goes on with one; it runs after this returns.
pub(in crate::admin) async fn start_replay(
    admin: &Admin,
    actor: &Actor,
    filter: &DeadLetterFilter,
    rate: Option<f64>,
    note: Option<&str>,
) -> Result<StartedJob, ApiError> {
    check_replay(rate, note)?;
    let store = Arc::clone(admin.store()?);
    let owner = format!("{:016x}", Receipt::new().0);
    let request = ReplayRequest { filter, rate, actor, note, owner: &owner };
    let job = match store.start_job(&request).await? {
        JobStart::Started(job) | JobStart::Resumed(job) => job,
        JobStart::Busy(job) => {
            let detail = format!("job {} replays the same, or did a moment ago", job.id);
            return Err(ApiError::Conflict(detail));
        }
    };
    let started = StartedJob { job: job.id, total: job.total, replayed: job.replayed };
    go_on(admin, store, job);
    Ok(started)
}

/// Runs a job beside the request; at a stop it is given back.
fn go_on(admin: &Admin, store: Arc<Store>, job: ReplayJob) {
    let queue = Arc::clone(&admin.queue);
    let stop = admin.stop.clone();
    tokio::spawn(async move {
        let id = job.id;
        if let Err(error) = replay::run(&store, &*queue, job, &stop, |_| ()).await {
            tracing::warn!(error = %Causes(&error), job = id, "a replay was interrupted: start it again to go on");
        }
    });
}

/// Give dead letters up; they stay as rows.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/discard", tag = "dead letters",
    request_body = ResolutionBody,
    responses(
        (status = 200, body = inline(ResolvedOrPreview)),
        RefusedBody,
        Refused
    )
)]
pub(in crate::admin::api) async fn discard(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    request_body: web::Json<Object<ResolutionBody>>,
) -> Result<HttpResponse, ApiError> {
    resolve(&admin, &caller, &request, request_body.into_inner().0, DeadLetterState::Pending).await
}

/// Take discarding back: dead letters are pending again.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/restore", tag = "dead letters",
    request_body = ResolutionBody,
    responses(
        (status = 200, body = inline(ResolvedOrPreview)),
        RefusedBody,
        Refused
    )
)]
pub(in crate::admin::api) async fn restore(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    request_body: web::Json<Object<ResolutionBody>>,
) -> Result<HttpResponse, ApiError> {
    resolve(&admin, &caller, &request, request_body.into_inner().0, DeadLetterState::Discarded)
        .await
}

/// How many were changed; after a dry run what would be. For descriptions only.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "utoipa reads it, nobody makes one")]
pub(in crate::admin::api) enum ResolvedOrPreview {
    Resolved(Resolved),
    Preview(Preview),
}

async fn resolve(
    admin: &Admin,
    caller: &Caller,
    request: &HttpRequest,
    request_body: ResolutionBody,
    from: DeadLetterState,
) -> Result<HttpResponse, ApiError> {
    let filter = named(request_body.filter, request_body.all, from)?;
    check_reason(&request_body.note)?;
    if request_body.dry_run {
        return foresee(admin, &filter).await;
    }
    let actor = actor(caller, request);
    let count = resolve_all(admin, &actor, &filter, &request_body.note, from, i64::MAX).await?;
    Ok(HttpResponse::Ok().json(Resolved { count }))
}

fn check_reason(note: &str) -> Result<(), ApiError> {
    if note.trim().is_empty() {
        return Err(ApiError::BadRequest("note is empty".to_owned()));
    }
    check_note(Some(note))
}

/// Gives up what is pending, or takes back what was given up, on behalf of somebody; returns how many. Nothing
/// above `last_id` is touched.
pub(in crate::admin) async fn resolve_all(
    admin: &Admin,
    actor: &Actor,
    filter: &DeadLetterFilter,
    note: &str,
    from: DeadLetterState,
    last_id: i64,
) -> Result<u64, ApiError> {
    check_reason(note)?;
    let resolution = DeadLetterResolution {
        filter,
        actor,
        note,
        gives_up: from == DeadLetterState::Pending,
        last_id,
    };
    Ok(admin.store()?.resolve_letters(&resolution, |_| ()).await?)
}

async fn foresee(admin: &Admin, filter: &DeadLetterFilter) -> Result<HttpResponse, ApiError> {
    let forecast = forecast(admin.store()?, &admin.rules, filter, |_| ()).await?;
    Ok(HttpResponse::Ok().json(forecast))
}

/// A filter that says which, in the state that the action is for.
pub(in crate::admin) fn named(
    filter: DeadLetterFilter,
    all: bool,
    state: DeadLetterState,
) -> Result<DeadLetterFilter, ApiError> {
    filter.check()?;
    if !filter.is_named() && !all {
        return Err(ApiError::BadRequest("the filter is empty: say which, or all".to_owned()));
    }
    if filter.states.iter().any(|other| *other != state) {
        let detail = format!("only dead letters in state {} can be", state.name());
        return Err(ApiError::BadRequest(detail));
    }
    Ok(DeadLetterFilter { states: vec![state], ..filter })
}
