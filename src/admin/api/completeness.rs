//! `GET /api/v1/completeness`: what comparing sessions with WAHA's own lists of messages found, by hour.

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiError;
use super::error::Refused;
use super::filter::{ApiQuery, limit, next};
use crate::admin::{Admin, Caller};
use crate::store::operations::page::RowPage;
use crate::store::operations::reconciliations::{
    CompletenessFilter, CompletenessHour, ReconciliationReport,
};
use crate::store::operations::watches::SessionCounters;

/// Which hours.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct CompletenessQuery {
    /// Only of this WAHA server.
    source: Option<String>,
    /// Only of this session.
    session: Option<String>,
    /// Only hours from this time on.
    from: Option<DateTime<Utc>>,
    /// Only hours that are not known to be complete, or in which webhooks were lost.
    gaps: bool,
    /// Only hours with numbers above this one: `next` of the page before.
    after: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
}

/// How complete sessions are.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct CompletenessReport {
    /// What is compared of each session, and how far that got; those of a session that can't be compared say why.
    pub(in crate::admin) reconciliations: Vec<ReconciliationReport>,
    /// What WAHA's own counters of messages say of each session that is watched, beside what arrived: the cheap witness
    /// of the last hour or two, where it counts at all.
    pub(in crate::admin) counters: Vec<SessionCounters>,
    /// Hours in which there is anything, in the order in which they were first compared.
    pub(in crate::admin) hours: Vec<CompletenessHour>,
    /// `after` of the next page; none after the last.
    pub(in crate::admin) next: Option<i64>,
}

/// Show which hours of the sessions that the token may see are complete, what was found again, and what is not known.
#[utoipa::path(
    get, path = "/api/v1/completeness", tag = "sessions", params(CompletenessQuery),
    responses((status = 200, body = CompletenessReport), Refused)
)]
pub(super) async fn show(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    ApiQuery(asked): ApiQuery<CompletenessQuery>,
) -> Result<web::Json<CompletenessReport>, ApiError> {
    let CompletenessQuery { source, session, from, gaps, after, limit: asked } = asked;
    let reach = caller.reach.clone().narrowed(source, session).unwrap_or_default();
    let filter = CompletenessFilter { reach, from, only_gaps: gaps };
    Ok(web::Json(report(&admin, filter, after, asked).await?))
}

/// A page of what somebody may see.
pub(in crate::admin) async fn report(
    admin: &Admin,
    filter: CompletenessFilter,
    after: Option<i64>,
    asked: Option<u64>,
) -> Result<CompletenessReport, ApiError> {
    let store = admin.store()?;
    let limit = limit(asked)?;
    let page = RowPage { after_id: after.unwrap_or_default(), ..RowPage::first(limit) };
    let hours = store.completeness(&filter, page).await?;
    let next = next(&hours, limit, |hour| hour.id);
    let reconciliations = store.reconciliations(&filter.reach).await?;
    let counters = store.session_counters(&filter.reach).await?;
    Ok(CompletenessReport { reconciliations, counters, hours, next })
}
