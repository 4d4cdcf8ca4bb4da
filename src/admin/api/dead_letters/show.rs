//! One dead letter.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::admin::api::error::Refused;
use crate::admin::api::{ApiError, Problem, read};
use crate::admin::{Admin, Caller};
use crate::operations::DryRun;
use crate::store::operations::dead_letter::{
    DeadLetter, DeadLetterEdit, DeadLetterFilter, DeadLetterReplay, DeadLetterSummary,
};
use crate::store::operations::page::RowPage;
use crate::webhook::Headers;

/// A dead letter whole.
#[derive(Serialize, ToSchema)]
pub(in crate::admin::api) struct Detail {
    dead_letter: DeadLetterSummary,
    /// Every failed attempt, oldest first.
    failures: Vec<FailedAttempt>,
    /// Every replay, oldest first.
    replays: Vec<ReplayReport>,
    /// Who replaced its body and when, oldest first.
    edits: Vec<DeadLetterEdit>,
    /// The request's headers that were kept.
    headers: Headers,
    /// What the normalizer says of it now.
    now: DryRun,
    /// The body as text, if the token's role may read bodies. What is no UTF-8 is replaced: `/body` has
    /// the bytes.
    body: Option<String>,
}

/// An attempt that failed.
#[derive(Serialize, ToSchema)]
pub(in crate::admin::api) struct FailedAttempt {
    at: DateTime<Utc>,
    error: String,
}

/// A replay and its end.
#[derive(Serialize, ToSchema)]
pub(in crate::admin::api) struct ReplayReport {
    job: i64,
    replayed_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    /// None while it is on its way.
    outcome: Option<String>,
    reason: Option<String>,
}

/// Which body.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin::api) struct FilterBody {
    /// The one that WAHA signed, if it was edited since.
    #[serde(default)]
    original: bool,
}

impl From<DeadLetterReplay> for ReplayReport {
    fn from(replay: DeadLetterReplay) -> Self {
        let DeadLetterReplay { job_id, replayed_at, ended_at, outcome, reason, .. } = replay;
        Self { job: job_id, replayed_at, ended_at, outcome, reason }
    }
}

/// Show a dead letter: every attempt, every replay, what the normalizer says of it now and, to those
/// who may read it, its body.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", params(("id" = i64, Path)),
    responses(
        (status = 200, body = Detail),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(in crate::admin::api) async fn show(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    id: web::Path<i64>,
) -> Result<web::Json<Detail>, ApiError> {
    let store = admin.store()?;
    let filter = DeadLetterFilter { ids: vec![*id], ..DeadLetterFilter::default() };
    let summary = store.dead_letters(&filter, RowPage::first(1)).await?.pop();
    let dead_letter = summary.ok_or(ApiError::NotFound("dead letter"))?;
    let letter = find(&admin, *id).await?;
    let now = DryRun::of(&letter.webhook(), &admin.rules);
    let failures = letter.failures.iter().map(|failure| FailedAttempt {
        at: DateTime::from_timestamp_millis(failure.at_ms).unwrap_or_default(),
        error: failure.error.clone(),
    });
    let replays = store.replays_of(&[*id]).await?.remove(&*id).unwrap_or_default();
    let reads_body = read::may_read(&caller);
    if reads_body {
        read::log(&admin, &caller, &request, json!({ "dead_letter": *id })).await?;
    }
    Ok(web::Json(Detail {
        dead_letter,
        failures: failures.collect(),
        replays: replays.into_iter().map(ReplayReport::from).collect(),
        edits: store.edits_of(*id).await?,
        body: reads_body.then(|| String::from_utf8_lossy(&letter.row.body).into_owned()),
        headers: letter.headers,
        now,
    }))
}

/// The body of a dead letter, byte for byte.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/{id}/body", tag = "dead letters",
    params(("id" = i64, Path), FilterBody),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(in crate::admin::api) async fn body(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    id: web::Path<i64>,
    which: web::Query<FilterBody>,
) -> Result<HttpResponse, ApiError> {
    let mut body = find(&admin, *id).await?.row.body;
    read::log(&admin, &caller, &request, json!({ "dead_letter": *id })).await?;
    if which.original
        && let Some(first) = admin.store()?.edits_of(*id).await?.first()
        && let Some(before) = admin.store()?.body_before(first.id).await?
    {
        body = before;
    }
    Ok(HttpResponse::Ok().content_type("application/octet-stream").body(body))
}

pub(super) async fn find(admin: &Admin, id: i64) -> Result<DeadLetter, ApiError> {
    let letter = admin.store()?.whole_letters(&[id]).await?.pop();
    letter.ok_or(ApiError::NotFound("dead letter"))
}
