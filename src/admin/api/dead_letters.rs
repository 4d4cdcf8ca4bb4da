//! `/api/v1/dead-letters`: webhooks that could not be processed, and what can be done about them.

pub(in crate::admin) mod act;
pub(in crate::admin) mod edit;
pub(in crate::admin) mod show;
pub(in crate::admin) mod transfer;

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::error::Refused;
use super::filter::{AfterQuery, FilterQuery, LIMIT_MAX, NoPage, limit, next};
use crate::admin::Admin;
use crate::operations::{ListedLetter, list_letters};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterGroup};
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
pub(in crate::admin) struct Letters {
    pub(in crate::admin) dead_letters: Vec<ListedLetter>,
    /// `after` of the next page; none after the last.
    pub(in crate::admin) next: Option<i64>,
}

/// Dead letters by cause.
#[derive(Serialize, ToSchema)]
pub(in crate::admin) struct Groups {
    /// The most frequent first; at most 500.
    pub(in crate::admin) groups: Vec<DeadLetterGroup>,
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
    Ok(web::Json(page(&admin, filter, asked.after, asked.limit).await?))
}

/// A page of those that a filter names.
pub(in crate::admin) async fn page(
    admin: &Admin,
    filter: DeadLetterFilter,
    after: Option<i64>,
    asked: Option<u64>,
) -> Result<Letters, ApiError> {
    let limit = limit(asked)?;
    let page = RowPage { after_id: after.unwrap_or_default(), ..RowPage::first(limit) };
    let filter = filter.or_states(&[DeadLetterState::Pending]);
    let dead_letters = list_letters(admin.store()?, &filter, page).await?;
    let next = next(&dead_letters, limit, |listed| listed.letter.id);
    Ok(Letters { dead_letters, next })
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
    Ok(web::Json(by_cause(&admin, filter, LIMIT_MAX).await?))
}

/// Those that a filter names by cause, so many causes at most.
pub(in crate::admin) async fn by_cause(
    admin: &Admin,
    filter: DeadLetterFilter,
    limit: u64,
) -> Result<Groups, ApiError> {
    let filter = filter.or_states(&[DeadLetterState::Pending]);
    let groups = admin.store()?.dead_letter_groups(&filter, limit).await?;
    Ok(Groups { groups })
}
