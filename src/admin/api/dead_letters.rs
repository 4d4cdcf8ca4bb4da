//! `/api/v1/dead-letters`: webhooks that could not be processed, and what can be done about them.

mod act;
mod edit;
mod show;
mod transfer;

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::error::Refused;
use super::filter::{AfterQuery, FilterQuery, LIMIT_MAX, NoPage, limit, next};
use crate::admin::Admin;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterGroup, DeadLetterSummary};
use crate::store::operations::page::RowPage;

pub(super) use act::{discard, replay, restore};
pub(super) use edit::replace_body;
pub(super) use show::{body, show};
pub(super) use transfer::{export, import};

// utoipa looks for what it has generated beside the handler.
pub(super) use act::{__path_discard, __path_replay, __path_restore};
pub(super) use edit::__path_replace_body;
pub(super) use show::{__path_body, __path_show};
pub(super) use transfer::{__path_export, __path_import};

/// A page of dead letters, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Letters {
    dead_letters: Vec<DeadLetterSummary>,
    /// `after` of the next page; none after the last.
    next: Option<i64>,
}

/// Dead letters by cause.
#[derive(Serialize, ToSchema)]
pub(super) struct Groups {
    /// The most frequent first; at most 500.
    groups: Vec<DeadLetterGroup>,
}

/// List dead letters, oldest first; pending ones unless asked otherwise.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "dead letters", params(DeadLetterFilter, AfterQuery),
    responses((status = 200, body = Letters), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    FilterQuery(filter, asked): FilterQuery<DeadLetterFilter, AfterQuery>,
) -> Result<web::Json<Letters>, ApiError> {
    let limit = limit(asked.limit)?;
    let page = RowPage { after_id: asked.after.unwrap_or_default(), ..RowPage::first(limit) };
    let filter = filter.or_states(&[DeadLetterState::Pending]);
    let dead_letters = admin.store()?.dead_letters(&filter, page).await?;
    let next = next(&dead_letters, limit, |letter| letter.id);
    Ok(web::Json(Letters { dead_letters, next }))
}

/// Count dead letters by cause; pending ones unless asked otherwise.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/groups", tag = "dead letters", params(DeadLetterFilter),
    responses((status = 200, body = Groups), Refused)
)]
pub(super) async fn groups(
    admin: web::Data<Admin>,
    FilterQuery(filter, _): FilterQuery<DeadLetterFilter, NoPage>,
) -> Result<web::Json<Groups>, ApiError> {
    let filter = filter.or_states(&[DeadLetterState::Pending]);
    let groups = admin.store()?.dead_letter_groups(&filter, LIMIT_MAX).await?;
    Ok(web::Json(Groups { groups }))
}
