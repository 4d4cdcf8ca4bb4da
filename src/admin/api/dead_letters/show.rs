//! One dead letter.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::admin::api::error::Refused;
use crate::admin::api::filter::ApiQuery;
use crate::admin::api::{ApiError, Problem, actor, read};
use crate::admin::{Admin, Caller};
use crate::operations::LetterDetail;
use crate::store::audit::Actor;
use crate::store::operations::dead_letter::DeadLetter;

/// Which body.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin::api) struct FilterBody {
    /// The one that WAHA signed, if it was edited since.
    #[serde(default)]
    original: bool,
}

/// Show a dead letter: every attempt, every replay, what the normalizer says of it now and, to those
/// who may read it, its body.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", params(("id" = i64, Path)),
    responses(
        (status = 200, body = LetterDetail),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(in crate::admin::api) async fn show(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    id: web::Path<i64>,
) -> Result<web::Json<LetterDetail>, ApiError> {
    Ok(web::Json(detail(&admin, &caller, &actor(&caller, &request), *id).await?.0))
}

/// One of them whole, for somebody who may read its body or not; and as it is stored.
pub(in crate::admin) async fn detail(
    admin: &Admin,
    caller: &Caller,
    actor: &Actor,
    id: i64,
) -> Result<(LetterDetail, DeadLetter), ApiError> {
    let found = LetterDetail::find(admin.store()?, &admin.rules, id).await?;
    let (detail, letter) = found.ok_or(ApiError::NotFound("dead letter"))?;
    if !read::may_read(caller) {
        return Ok((detail, letter));
    }
    read::log(admin, actor, json!({ "dead_letter": id })).await?;
    Ok((detail.with_body(&letter.row.body), letter))
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
    ApiQuery(which): ApiQuery<FilterBody>,
) -> Result<HttpResponse, ApiError> {
    let body = raw_body(&admin, &actor(&caller, &request), *id, which.original).await?;
    Ok(HttpResponse::Ok().content_type("application/octet-stream").body(body))
}

/// Its bytes, for somebody who may read them.
pub(in crate::admin) async fn raw_body(
    admin: &Admin,
    actor: &Actor,
    id: i64,
    original: bool,
) -> Result<Vec<u8>, ApiError> {
    let mut body = find(admin, id).await?.row.body;
    read::log(admin, actor, json!({ "dead_letter": id })).await?;
    if original
        && let Some(first) = admin.store()?.edits_of(id).await?.first()
        && let Some(before) = admin.store()?.body_before(first.id).await?
    {
        body = before;
    }
    Ok(body)
}

pub(in crate::admin) async fn find(admin: &Admin, id: i64) -> Result<DeadLetter, ApiError> {
    let letter = admin.store()?.whole_letters(&[id]).await?.pop();
    letter.ok_or(ApiError::NotFound("dead letter"))
}
