//! `GET /api/v1/sessions`: the WhatsApp accounts, and which of them are in trouble, silent or failed.

use std::collections::BTreeMap;

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Refused;
use super::filter::ApiQuery;
use super::filter::next;
use super::validation::check_limit;
use super::{ApiError, Problem};
use crate::admin::{Admin, Caller};
use crate::quiet_sessions::SilentSession;
use crate::store::operations::sessions::{SessionFilter, SessionHistory, SessionRow};
use crate::store::operations::watches::{SessionProbe, TroubledSession};

/// Sessions of an answer, unless asked otherwise, and at most.
const LIMIT: u64 = 100;
const LIMIT_MAX: u64 = 1000;
/// Entries of the watchdog's history of a session that are told.
const PROBES_MAX: u64 = 50;

/// Which of them.
#[derive(Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin) struct SessionQuery {
    /// Only of this WAHA server.
    pub(in crate::admin) source: Option<String>,
    /// Only the one that WAHA calls so.
    pub(in crate::admin) session: Option<String>,
    /// Only those of which WAHA last told this, such as `FAILED`.
    pub(in crate::admin) status: Option<String>,
    /// Only those that are silent, or are not.
    pub(in crate::admin) silent: Option<bool>,
    /// Only those that the watchdog found in trouble, or did not.
    pub(in crate::admin) trouble: Option<bool>,
    /// Only ids above this one: `next` of the page before.
    pub(in crate::admin) after: Option<i64>,
    /// At most so many; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    pub(in crate::admin) limit: Option<u64>,
}

impl SessionQuery {
    /// What the tables are asked for, by somebody.
    fn filter(&self, caller: &Caller, known: &Known) -> SessionFilter {
        let reach = caller.reach.clone();
        let narrowed = reach.narrowed(self.source.clone(), self.session.clone());
        let status = self.status.clone();
        let filter =
            SessionFilter { reach: narrowed.unwrap_or_default(), status, ..Default::default() };
        let filter = restricted(filter, self.silent, known.silent.keys().copied().collect());
        restricted(filter, self.trouble, known.troubled.keys().copied().collect())
    }
}

/// A filter that also asks for these alone, or for none of them.
fn restricted(mut filter: SessionFilter, asked: Option<bool>, ids: Vec<i64>) -> SessionFilter {
    match asked {
        Some(true) => {
            let among = |id: &i64| filter.ids.as_ref().is_none_or(|those| those.contains(id));
            filter.ids = Some(ids.into_iter().filter(among).collect());
        }
        Some(false) => filter.other_ids.extend(ids),
        None => {}
    }
    filter
}

/// What is known of sessions beside their rows, by their ids.
struct Known {
    silent: BTreeMap<i64, SilentSession>,
    troubled: BTreeMap<i64, TroubledSession>,
}

impl Known {
    async fn by(admin: &Admin) -> Result<Self, ApiError> {
        let silent = admin.observer.silent_sessions();
        let troubled = admin.store()?.troubled_sessions().await?;
        Ok(Self {
            silent: silent.iter().map(|one| (one.id, one.clone())).collect(),
            troubled: troubled.into_iter().map(|one| (one.id, one)).collect(),
        })
    }
}

/// A page of sessions, by id.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct SessionPage {
    pub(in crate::admin) sessions: Vec<SessionReport>,
    /// `after` of the next page; none after the last.
    pub(in crate::admin) next: Option<i64>,
}

/// What the watchdog found of a session, whatever WAHA says of it.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct SessionTrouble {
    /// `dead` (it says WORKING and does not work), `deaf` (its webhooks do not arrive), `person` (somebody must look
    /// after it).
    pub(in crate::admin) verdict: String,
    /// What says so: a word of a closed set.
    pub(in crate::admin) reason: Option<String>,
    /// Since when.
    pub(in crate::admin) since: DateTime<Utc>,
    /// Restarts by this program that WAHA took, since it last lived for a day.
    pub(in crate::admin) restarts: i32,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct SessionReport {
    pub(in crate::admin) id: i64,
    /// Configured WAHA server.
    pub(in crate::admin) source: String,
    /// WAHA's name of the session.
    pub(in crate::admin) name: String,
    /// What WAHA last told; none before that.
    pub(in crate::admin) status: Option<String>,
    /// Since when.
    pub(in crate::admin) status_at: Option<DateTime<Utc>>,
    /// When the last webhook came from it that has ended.
    pub(in crate::admin) last_webhook_at: Option<DateTime<Utc>>,
    /// Whether WAHA calls it failed.
    pub(in crate::admin) failed: bool,
    /// Whether it is working, but nothing came for longer than is usual for it. Up to a minute old.
    pub(in crate::admin) silent: bool,
    /// Of a silent one: the pause from which on it counts as silent.
    pub(in crate::admin) pause_max_ms: Option<u64>,
    /// What the watchdog found of it; none if it is well, or is not watched.
    pub(in crate::admin) trouble: Option<SessionTrouble>,
}

impl From<&TroubledSession> for SessionTrouble {
    fn from(found: &TroubledSession) -> Self {
        let TroubledSession { verdict, reason, since, restarts, .. } = found.clone();
        Self { verdict, reason, since, restarts }
    }
}

impl SessionReport {
    fn new(row: SessionRow, known: &Known) -> Self {
        let silence = known.silent.get(&row.id);
        Self {
            trouble: known.troubled.get(&row.id).map(SessionTrouble::from),
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

/// A session with its history.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct SessionDetail {
    pub(in crate::admin) session: SessionReport,
    #[serde(flatten)]
    pub(in crate::admin) history: SessionHistory,
    /// What the watchdog found and did, newest first; the last ones.
    pub(in crate::admin) probes: Vec<SessionProbe>,
}

/// Show a session with the states that WAHA told of it.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions", params(("id" = i64, Path)),
    responses(
        (status = 200, body = SessionDetail),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn show(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    id: web::Path<i64>,
) -> Result<web::Json<SessionDetail>, ApiError> {
    Ok(web::Json(detail(&admin, &caller, *id).await?))
}

/// One that somebody may see.
pub(in crate::admin) async fn detail(
    admin: &Admin,
    caller: &Caller,
    id: i64,
) -> Result<SessionDetail, ApiError> {
    let store = admin.store()?;
    let row = store.session(&caller.reach, id).await?.ok_or(ApiError::NotFound("session"))?;
    let known = Known::by(admin).await?;
    let history = store.session_history(id).await?;
    let probes = store.session_probes(id, PROBES_MAX).await?;
    Ok(SessionDetail { session: SessionReport::new(row, &known), history, probes })
}

/// List the sessions that the token may see, and which of them are in trouble, silent or failed.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", params(SessionQuery),
    responses((status = 200, body = SessionPage), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    ApiQuery(which): ApiQuery<SessionQuery>,
) -> Result<web::Json<SessionPage>, ApiError> {
    Ok(web::Json(page(&admin, &caller, &which).await?))
}

/// A page of what somebody may see.
pub(in crate::admin) async fn page(
    admin: &Admin,
    caller: &Caller,
    which: &SessionQuery,
) -> Result<SessionPage, ApiError> {
    let limit = check_limit(which.limit.unwrap_or(LIMIT), LIMIT_MAX)?;
    let known = Known::by(admin).await?;
    let filter = which.filter(caller, &known);
    let rows = admin.store()?.sessions(&filter, which.after.unwrap_or_default(), limit).await?;
    let next = next(&rows, limit, |row| row.id);
    let sessions = rows.into_iter().map(|row| SessionReport::new(row, &known)).collect();
    Ok(SessionPage { sessions, next })
}
