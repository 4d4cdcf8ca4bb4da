//! `/api/v1/webhooks`: the ledger, where every webhook that ended has a row.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use chrono::{DateTime, Datelike, Utc};
use sea_orm::Order;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::error::Refused;
use super::{ApiError, Problem, read};
use crate::admin::{Admin, Caller};
use crate::operations::DryRun;
use crate::store::operations::history::{LedgerFilter, LedgerOutcome, LedgerRow};

/// Rows of an answer, unless asked otherwise, and at most.
const LIMIT: u64 = 50;
const LIMIT_MAX: u64 = 500;

/// Which webhooks. What is left out does not restrict.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Only from this WAHA server.
    source: Option<String>,
    /// Only of this session.
    session: Option<String>,
    /// Only of this event type, such as `message.any`.
    event: Option<String>,
    /// Only with this outcome.
    #[param(inline)]
    outcome: Option<LedgerOutcome>,
    /// Only with this reason, such as `unknown_event`.
    reason: Option<String>,
    /// Only what arrived at this time or later.
    since: Option<DateTime<Utc>>,
    /// Only what arrived before this time.
    until: Option<DateTime<Utc>>,
    /// Only ids below this one: `next` of the page before.
    before: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

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
    /// What the normalizer says of it now: `applied`, `ignored` or `dead_lettered`; none if its body
    /// is not stored.
    outcome_now: Option<&'static str>,
    /// Why, for the last two.
    reason_now: Option<&'static str>,
    /// The body as text, if it is stored and the token's role may read bodies. What is no UTF-8 is
    /// replaced: `/body` has the bytes.
    body: Option<String>,
}

impl FilterQuery {
    fn filter(self) -> Result<LedgerFilter, ApiError> {
        let texts = [&self.source, &self.session, &self.event, &self.reason];
        // No row holds a NUL, and PostgreSQL refuses to look for one.
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(ApiError::BadRequest("a text holds a NUL".to_owned()));
        }
        let is_storable = |time: &DateTime<Utc>| (1970..=9999).contains(&time.year());
        if ![self.since, self.until].iter().flatten().all(is_storable) {
            return Err(ApiError::BadRequest("a time is not between 1970 and 9999".to_owned()));
        }
        Ok(LedgerFilter {
            sources: self.source.into_iter().collect(),
            sessions: self.session.into_iter().collect(),
            event_types: self.event.into_iter().collect(),
            outcomes: self.outcome.into_iter().collect(),
            reasons: self.reason.into_iter().collect(),
            since: self.since,
            until: self.until,
            last_id: self.before.map(|before| before.saturating_sub(1)),
            ..LedgerFilter::default()
        })
    }
}

/// List webhooks, newest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks", tag = "webhooks", params(FilterQuery),
    responses((status = 200, body = WebhookPage), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    which: web::Query<FilterQuery>,
) -> Result<web::Json<WebhookPage>, ApiError> {
    let limit = which.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::BadRequest(format!("limit is not between 1 and {LIMIT_MAX}")));
    }
    let filter = which.into_inner().filter()?;
    let webhooks = admin.store()?.history(&filter, Order::Desc, limit).await?;
    let is_full = webhooks.len() as u64 == limit;
    let next = webhooks.last().filter(|_| is_full).map(|row| row.id);
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
    let row = store.history(&filter, Order::Asc, 1).await?.pop();
    let row = row.ok_or(ApiError::NotFound("webhook"))?;
    let body = store.bodies(&[id]).await?.remove(&id);
    Ok((row, body))
}
