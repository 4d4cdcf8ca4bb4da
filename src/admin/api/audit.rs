//! `/api/v1/audit-logs`: who did what, when and from where.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::ApiError;
use super::error::Refused;
use super::filter::{limit, next};
use crate::admin::Admin;
use crate::store::audit::{AuditAction, AuditLogRow};

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Only of this action.
    #[param(inline)]
    action: Option<AuditAction>,
    /// Only numbers below this one: `next` of the page before.
    before: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// A page of the log, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Page {
    audit_logs: Vec<Entry>,
    /// `before` of the next page; none after the last.
    next: Option<i64>,
}

/// What somebody did.
#[derive(Serialize, ToSchema)]
pub(super) struct Entry {
    id: i64,
    done_at: DateTime<Utc>,
    /// The user of the operating system, or the name of the token.
    actor: String,
    /// `cli`, `api`, or `process` for what a process does by itself.
    channel: String,
    /// Host and terminal, or the address of the peer.
    place: String,
    action: String,
    /// On which rows.
    filter: Option<Value>,
    /// On how many.
    affected: i64,
    old_values: Option<Value>,
    new_values: Option<Value>,
    note: Option<String>,
}

impl From<AuditLogRow> for Entry {
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
    which: web::Query<FilterQuery>,
) -> Result<web::Json<Page>, ApiError> {
    let limit = limit(which.limit)?;
    let action = which.action.map(AuditAction::name);
    let logs = admin.store()?.audit_logs(action, which.before, limit).await?;
    let next = next(&logs, limit, |log| log.id);
    let audit_logs = logs.into_iter().map(Entry::from).collect();
    Ok(web::Json(Page { audit_logs, next }))
}
