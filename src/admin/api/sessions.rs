//! `GET /api/v1/sessions`: the WhatsApp accounts, and which of them are silent or failed.

use std::collections::BTreeMap;

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiError;
use super::error::Refused;
use super::filter::next;
use crate::admin::{Admin, Caller};
use crate::quiet_sessions::SilentSession;
use crate::store::operations::sessions::SessionRow;

/// Sessions of an answer, unless asked otherwise, and at most.
const LIMIT: u64 = 100;
const LIMIT_MAX: u64 = 1000;

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Only ids above this one: `next` of the page before.
    after: Option<i64>,
    /// At most so many; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

/// A page of sessions, by id.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionPage {
    sessions: Vec<SessionReport>,
    /// `after` of the next page; none after the last.
    next: Option<i64>,
}

/// A session.
#[derive(Serialize, ToSchema)]
struct SessionReport {
    id: i64,
    /// Configured WAHA server.
    source: String,
    /// WAHA's name of the session.
    name: String,
    /// What WAHA last told; none before that.
    status: Option<String>,
    /// Since when.
    status_at: Option<DateTime<Utc>>,
    /// When the last webhook came from it that has ended.
    last_webhook_at: Option<DateTime<Utc>>,
    /// Whether WAHA calls it failed.
    failed: bool,
    /// Whether it is working, but nothing came for longer than is usual for it. Up to a minute old.
    silent: bool,
    /// Of a silent one: the pause from which on it counts as silent.
    pause_max_ms: Option<u64>,
}

impl SessionReport {
    fn new(row: SessionRow, silent: &BTreeMap<i64, &SilentSession>) -> Self {
        let silence = silent.get(&row.id);
        Self {
            failed: row.is_failed(),
            silent: silence.is_some(),
            pause_max_ms: silence.map(|silence| silence.pause_max_ms),
            id: row.id,
            source: row.source,
            name: row.name,
            status: row.status,
            status_at: row.status_at,
            last_webhook_at: row.last_webhook_at,
        }
    }
}

/// List the sessions that the token may see, and which of them are silent or failed.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", params(FilterQuery),
    responses((status = 200, body = SessionPage), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    which: web::Query<FilterQuery>,
) -> Result<web::Json<SessionPage>, ApiError> {
    let limit = which.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::BadRequest(format!("limit is not between 1 and {LIMIT_MAX}")));
    }
    let after = which.after.unwrap_or_default();
    let rows = admin.store()?.sessions(&caller.reach, after, limit).await?;
    let next = next(&rows, limit, |row| row.id);
    let silent = admin.observer.silent_sessions();
    let silent = silent.iter().map(|one| (one.id, one)).collect();
    let sessions = rows.into_iter().map(|row| SessionReport::new(row, &silent)).collect();
    Ok(web::Json(SessionPage { sessions, next }))
}
