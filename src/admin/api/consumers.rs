//! `/api/v1/consumers`: whom the feed is delivered to, how far each got, and what operators do with it.

use actix_web::{HttpRequest, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use super::error::{Refused, RefusedBody};
use super::validation::check_note;
use super::{ApiError, Problem, actor};
use crate::admin::{Admin, Caller};
use crate::operations::{ConsumerReport, SkipReport, SkippedChange};
use crate::store::audit::Actor;
use crate::store::operations::consumers::{ConsumerRefusal, ConsumerRow};
use crate::store::operations::feed::FeedState;
use crate::strict_json::Object;

/// All consumers that there ever were.
#[derive(Serialize, ToSchema)]
pub(super) struct Consumers {
    /// By their names.
    consumers: Vec<ConsumerReport>,
}

/// Why nothing more is to be delivered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "note": "moving to another host" })))]
pub(super) struct PauseBody {
    /// Shown with the consumer, and in the audit log.
    note: Option<String>,
}

/// From where to deliver once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "to": 18000 })))]
pub(super) struct RewindBody {
    /// The last position that the consumer keeps; 0 for all that the feed has.
    #[schema(minimum = 0)]
    to: i64,
}

/// Why a consumer can't be moved. For descriptions only.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "utoipa reads it, nobody makes one")]
pub(super) enum NotThere {
    /// There is none of this name.
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(#[to_schema] Problem),
    /// Nothing waits for it, or it got further meanwhile.
    #[response(status = 409, content_type = "application/problem+json")]
    Moved(#[to_schema] Problem),
    /// The feed does not have what comes next.
    #[response(status = 410, content_type = "application/problem+json")]
    Gone(#[to_schema] Problem),
}

/// Nothing more to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoMore {}

/// List the consumers of the feed.
#[utoipa::path(
    get, path = "/api/v1/consumers", tag = "consumers",
    responses((status = 200, body = Consumers), Refused)
)]
pub(super) async fn list(admin: web::Data<Admin>) -> Result<web::Json<Consumers>, ApiError> {
    Ok(web::Json(Consumers { consumers: reports(&admin).await? }))
}

/// All of them, by their names.
pub(in crate::admin) async fn reports(admin: &Admin) -> Result<Vec<ConsumerReport>, ApiError> {
    let store = admin.store()?;
    let feed = store.feed_state().await?;
    let rows = store.consumers().await?.into_iter();
    Ok(rows.map(|row| reported(admin, row, &feed)).collect())
}

/// Show a consumer.
#[utoipa::path(
    get, path = "/api/v1/consumers/{name}", tag = "consumers", params(("name" = String, Path)),
    responses(
        (status = 200, body = ConsumerReport),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn show(
    admin: web::Data<Admin>,
    name: web::Path<String>,
) -> Result<web::Json<ConsumerReport>, ApiError> {
    Ok(web::Json(report_of(&admin, &checked(name)?).await?))
}

/// One of them.
pub(in crate::admin) async fn report_of(
    admin: &Admin,
    name: &str,
) -> Result<ConsumerReport, ApiError> {
    let row = admin.store()?.consumer(name).await?.ok_or(ApiError::NotFound("consumer"))?;
    report(admin, row).await
}

/// Deliver nothing to a consumer until it is resumed.
///
/// It loses nothing while the feed reaches back.
#[utoipa::path(
    post, path = "/api/v1/consumers/{name}/pause", tag = "consumers",
    params(("name" = String, Path)), request_body = PauseBody,
    responses(
        (status = 200, body = ConsumerReport),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        RefusedBody,
        Refused
    )
)]
pub(super) async fn pause(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    name: web::Path<String>,
    told: web::Json<Object<PauseBody>>,
) -> Result<web::Json<ConsumerReport>, ApiError> {
    let name = checked(name)?;
    let Object(PauseBody { note }) = told.into_inner();
    check_note(note.as_deref())?;
    let actor = actor(&caller, &request);
    let row = admin.store()?.pause_consumer(&name, note.as_deref(), &actor).await?;
    Ok(web::Json(report(&admin, row?).await?))
}

/// Deliver to a consumer again, at once.
#[utoipa::path(
    post, path = "/api/v1/consumers/{name}/resume", tag = "consumers",
    params(("name" = String, Path)), request_body = NoMore,
    responses(
        (status = 200, body = ConsumerReport),
        NotThere,
        RefusedBody,
        Refused
    )
)]
pub(super) async fn resume(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    name: web::Path<String>,
    _told: web::Json<Object<NoMore>>,
) -> Result<web::Json<ConsumerReport>, ApiError> {
    let row = admin.store()?.resume_consumer(&checked(name)?, &actor(&caller, &request)).await?;
    Ok(web::Json(report(&admin, row?).await?))
}

/// Deliver once more what came after a position, under new ids.
#[utoipa::path(
    post, path = "/api/v1/consumers/{name}/rewind", tag = "consumers",
    params(("name" = String, Path)), request_body = RewindBody,
    responses(
        (status = 200, body = ConsumerReport),
        NotThere,
        RefusedBody,
        Refused
    )
)]
pub(super) async fn rewind(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    name: web::Path<String>,
    told: web::Json<Object<RewindBody>>,
) -> Result<web::Json<ConsumerReport>, ApiError> {
    let name = checked(name)?;
    let Object(RewindBody { to }) = told.into_inner();
    if to < 0 {
        return Err(ApiError::BadRequest("to is below 0".to_owned()));
    }
    let row = admin.store()?.rewind_consumer(&name, to, &actor(&caller, &request)).await?;
    Ok(web::Json(report(&admin, row?).await?))
}

/// Leave out the change that a consumer hangs on: the application never gets it.
#[utoipa::path(
    post, path = "/api/v1/consumers/{name}/skip", tag = "consumers",
    params(("name" = String, Path)), request_body = NoMore,
    responses(
        (status = 200, body = SkipReport),
        NotThere,
        RefusedBody,
        Refused
    )
)]
pub(super) async fn skip(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    name: web::Path<String>,
    _told: web::Json<Object<NoMore>>,
) -> Result<web::Json<SkipReport>, ApiError> {
    let (row, skipped) = skip_one(&admin, &actor(&caller, &request), &checked(name)?).await?;
    Ok(web::Json(SkipReport { consumer: report(&admin, row).await?, skipped }))
}

/// Skips on behalf of somebody what passes to the consumer as it is configured.
pub(in crate::admin) async fn skip_one(
    admin: &Admin,
    actor: &Actor,
    name: &str,
) -> Result<(ConsumerRow, SkippedChange), ApiError> {
    let store = admin.store()?;
    let subscription = admin.subscriptions.get(name).cloned().unwrap_or_default();
    let filter = store.change_filter(&subscription).await?;
    let next = store.next_change_of(name, &filter).await??;
    let row = store.skip_change(&next, actor).await??;
    Ok((row, SkippedChange::from(&next.change)))
}

/// PostgreSQL refuses to look for a NUL.
pub(in crate::admin) fn checked(name: web::Path<String>) -> Result<String, ApiError> {
    let name = name.into_inner();
    if name.contains('\0') { Err(ApiError::NotFound("consumer")) } else { Ok(name) }
}

async fn report(admin: &Admin, row: ConsumerRow) -> Result<ConsumerReport, ApiError> {
    Ok(reported(admin, row, &admin.store()?.feed_state().await?))
}

fn reported(admin: &Admin, row: ConsumerRow, feed: &FeedState) -> ConsumerReport {
    let is_configured = admin.subscriptions.contains_key(&row.name);
    ConsumerReport::new(row, feed, is_configured)
}

impl From<ConsumerRefusal> for ApiError {
    fn from(refusal: ConsumerRefusal) -> Self {
        match refusal {
            ConsumerRefusal::Unknown(_) => Self::NotFound("consumer"),
            ConsumerRefusal::Gone(gone) => Self::Gone(gone),
            ConsumerRefusal::NothingToSkip(_)
            | ConsumerRefusal::Moved(_)
            | ConsumerRefusal::Configured(_) => Self::Conflict(refusal.to_string()),
        }
    }
}
