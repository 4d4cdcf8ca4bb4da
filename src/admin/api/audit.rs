//! `/api/v1/audit-logs`: who did what, when and from where.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::ApiError;
use super::error::Refused;
use super::filter::{ApiQuery, limit, next};
use crate::admin::Admin;
use crate::store::audit::{AuditAction, AuditLogRow};

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin) struct FilterQuery {
    /// Only of this action.
    #[param(inline)]
    pub(in crate::admin) action: Option<AuditAction>,
    /// Only numbers below this one: `next` of the page before.
    pub(in crate::admin) before: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    pub(in crate::admin) limit: Option<u64>,
}

/// A page of the log, newest first.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Page {
    pub(in crate::admin) audit_logs: Vec<AuditLogReport>,
    /// `before` of the next page; none after the last.
    pub(in crate::admin) next: Option<i64>,
}

/// What somebody did.
#[derive(Serialize, ToSchema)]
pub struct AuditLogReport {
    /// Its number.
    pub id: i64,
    /// When.
    pub done_at: DateTime<Utc>,
    /// The user of the operating system, or the name of the token.
    pub actor: String,
    /// `cli`, `api`, `console`, or `process` for what a process does by itself.
    pub channel: String,
    /// Host and terminal, or the address of the peer.
    pub place: String,
    /// What was done.
    pub action: String,
    /// On which rows.
    pub filter: Option<Value>,
    /// On how many.
    pub affected: i64,
    /// What was there before.
    pub old_values: Option<Value>,
    /// What is there now.
    pub new_values: Option<Value>,
    /// Why, in the actor's words.
    pub note: Option<String>,
}

impl From<AuditLogRow> for AuditLogReport {
    fn from(log: AuditLogRow) -> Self {
        let parsed = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            id: log.id,
            done_at: log.done_at,
            actor: log.actor,
            channel: log.channel,
            place: log.place,
            action: log.action,
            filter: parsed(log.filter),
            affected: log.affected,
            old_values: parsed(log.old_values),
            new_values: parsed(log.new_values),
            note: log.note,
        }
    }
}

/// List what operators did, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit-logs", tag = "process", params(FilterQuery),
    responses((status = 200, body = Page), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    ApiQuery(which): ApiQuery<FilterQuery>,
) -> Result<web::Json<Page>, ApiError> {
    Ok(web::Json(page(&admin, &which).await?))
}

/// A page of it.
pub(in crate::admin) async fn page(admin: &Admin, which: &FilterQuery) -> Result<Page, ApiError> {
    let limit = limit(which.limit)?;
    let action = which.action.map(AuditAction::name);
    let logs = admin.store()?.audit_logs(action, which.before, limit).await?;
    let next = next(&logs, limit, |log| log.id);
    let audit_logs = logs.into_iter().map(AuditLogReport::from).collect();
    Ok(Page { audit_logs, next })
}
