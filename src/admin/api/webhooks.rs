//! `/api/v1/webhooks`: the ledger, where every webhook that ended has a row.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use sea_orm::Order;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::error::Refused;
use super::filter::{BeforeQuery, FilterQuery, limit};
use super::{ApiError, Problem, actor, read};
use crate::admin::{Admin, Caller};
use crate::operations::WebhookDetail;
use crate::store::audit::Actor;
use crate::store::operations::history::{LedgerFilter, LedgerRow};
use crate::store::operations::history_page::HistoryPage;
use crate::store::operations::page::RowPage;

/// A page of the ledger, newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct WebhookPage {
    pub(in crate::admin) webhooks: Vec<LedgerRow>,
    /// `before` of the next page; none after the last. A page may be short, or empty, and not the last,
    /// where many rows have to be searched for few.
    pub(in crate::admin) next: Option<i64>,
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
    Ok(web::Json(page(&admin, &filter, asked.before, asked.limit).await?))
}

/// A page of those that a filter names.
pub(in crate::admin) async fn page(
    admin: &Admin,
    filter: &LedgerFilter,
    before: Option<i64>,
    asked: Option<u64>,
) -> Result<WebhookPage, ApiError> {
    let limit = limit(asked)?;
    let HistoryPage { rows: webhooks, next } =
        admin.store()?.history_page(filter, before, limit).await?;
    Ok(WebhookPage { webhooks, next })
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
    Ok(web::Json(detail(&admin, &caller, &actor(&caller, &request), *id).await?))
}

/// One of them whole, for somebody who may read its body or not.
pub(in crate::admin) async fn detail(
    admin: &Admin,
    caller: &Caller,
    actor: &Actor,
    id: i64,
) -> Result<WebhookDetail, ApiError> {
    let (webhook, body) = find(admin, id).await?;
    let may_read = read::may_read(caller);
    if may_read && body.is_some() {
        read::log(admin, actor, json!({ "webhook": id })).await?;
    }
    Ok(WebhookDetail::new(webhook, body.as_ref(), may_read, &admin.rules))
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
    let body = raw_body(&admin, &actor(&caller, &request), *id).await?;
    Ok(HttpResponse::Ok().content_type("application/octet-stream").body(body))
}

/// Its bytes, for somebody who may read them.
pub(in crate::admin) async fn raw_body(
    admin: &Admin,
    actor: &Actor,
    id: i64,
) -> Result<Bytes, ApiError> {
    let (_, body) = find(admin, id).await?;
    let body = body.ok_or(ApiError::NotFound("stored body"))?;
    read::log(admin, actor, json!({ "webhook": id })).await?;
    Ok(body)
}

async fn find(admin: &Admin, id: i64) -> Result<(LedgerRow, Option<Bytes>), ApiError> {
    let store = admin.store()?;
    let filter = LedgerFilter { ids: vec![id], ..LedgerFilter::default() };
    let row = store.history(&filter, RowPage::first(1), Order::Asc).await?.pop();
    let row = row.ok_or(ApiError::NotFound("webhook"))?;
    let body = store.bodies(&[id]).await?.remove(&id).transpose()?;
    Ok((row, body))
}
