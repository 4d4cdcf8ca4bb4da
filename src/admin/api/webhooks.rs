//! `/api/v1/webhooks`: the ledger, where every webhook that ended has a row.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use sea_orm::Order;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::error::Refused;
use super::filter::{BeforeQuery, FilterQuery, limit, next};
use super::{ApiError, Problem, read};
use crate::admin::{Admin, Caller};
use crate::operations::DryRun;
use crate::store::operations::history::{LedgerFilter, LedgerOutcome, LedgerRow};
use crate::store::operations::page::RowPage;

/// A page of the ledger, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookPage {
    webhooks: Vec<LedgerRow>,
    /// `before` of the next page; none after the last.
    next: Option<i64>,
}

/// A webhook whole.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookDetail {
    /// Its row.
    webhook: LedgerRow,
    /// What the normalizer says of it now; none if its body is not stored.
    #[schema(inline)]
    outcome_now: Option<LedgerOutcome>,
    /// Why, for the last two.
    reason_now: Option<&'static str>,
    /// The body as text, if it is stored and the token's role may read bodies. What is no UTF-8 is
    /// replaced: `/body` has the bytes.
    body: Option<String>,
}

/// List webhooks, newest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "webhooks", params(LedgerFilter, BeforeQuery),
    responses((status = 200, body = WebhookPage), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    FilterQuery(filter, asked): FilterQuery<LedgerFilter, BeforeQuery>,
) -> Result<web::Json<WebhookPage>, ApiError> {
    let limit = limit(asked.limit)?;
    let last_id = asked.before.map_or(i64::MAX, |before| before.saturating_sub(1));
    let page = RowPage { last_id, ..RowPage::first(limit) };
    let webhooks = admin.store()?.history(&filter, page, Order::Desc).await?;
    let next = next(&webhooks, limit, |row| row.id);
    Ok(web::Json(WebhookPage { webhooks, next }))
}

/// Show a webhook, what the normalizer says of it now and, to those who may read it, its body.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(("id" = i64, Path)),
    responses(
        (status = 200, body = WebhookDetail),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn show(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    id: web::Path<i64>,
) -> Result<web::Json<WebhookDetail>, ApiError> {
    let (webhook, body) = find(&admin, *id).await?;
    let now = body.as_ref().map(|body| DryRun::of(&webhook.webhook(body.clone()), &admin.rules));
    let body = body.filter(|_| read::may_read(&caller));
    if body.is_some() {
        read::log(&admin, &caller, &request, json!({ "webhook": *id })).await?;
    }
    Ok(web::Json(WebhookDetail {
        outcome_now: now.as_ref().map(|now| now.outcome),
        reason_now: now.and_then(|now| now.reason),
        body: body.map(|body| String::from_utf8_lossy(&body).into_owned()),
        webhook,
    }))
}

/// The body of a webhook, byte for byte as it was signed.
#[utoipa::path(
    get, path = "/api/v1/webhooks/{id}/body", tag = "webhooks", params(("id" = i64, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn body(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    id: web::Path<i64>,
) -> Result<HttpResponse, ApiError> {
    let (_, body) = find(&admin, *id).await?;
    let body = body.ok_or(ApiError::NotFound("stored body"))?;
    read::log(&admin, &caller, &request, json!({ "webhook": *id })).await?;
    Ok(HttpResponse::Ok().content_type("application/octet-stream").body(body))
}

async fn find(admin: &Admin, id: i64) -> Result<(LedgerRow, Option<Bytes>), ApiError> {
    let store = admin.store()?;
    let filter = LedgerFilter { ids: vec![id], ..LedgerFilter::default() };
    let row = store.history(&filter, RowPage::first(1), Order::Asc).await?.pop();
    let row = row.ok_or(ApiError::NotFound("webhook"))?;
    let body = store.bodies(&[id]).await?.remove(&id);
    Ok((row, body))
}
