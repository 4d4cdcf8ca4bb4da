//! `/api/v1/dead-letters`: webhooks that could not be processed, and what can be done about them.

mod act;
mod edit;
mod filter_query;
mod show;
mod transfer;

use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;
use super::error::Refused;
use crate::admin::Admin;
use crate::store::operations::dead_letter::{
    DeadLetterGroup, DeadLetterPage as Range, DeadLetterSummary,
};

use filter_query::FilterQuery;

pub(super) use act::{discard, replay, restore};
pub(super) use edit::replace_body;
pub(super) use show::{body, show};
pub(super) use transfer::{export, import};

// utoipa looks for what it has generated beside the handler.
pub(super) use act::{__path_discard, __path_replay, __path_restore};
pub(super) use edit::__path_replace_body;
pub(super) use show::{__path_body, __path_show};
pub(super) use transfer::{__path_export, __path_import};

/// Rows of an answer, unless asked otherwise, and at most.
const LIMIT: u64 = 50;
const LIMIT_MAX: u64 = 500;

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

/// A limit that was asked for.
pub(super) fn limit(asked: Option<u64>) -> Result<u64, ApiError> {
    let limit = asked.unwrap_or(LIMIT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::BadRequest(format!("limit is not between 1 and {LIMIT_MAX}")))
}

/// List dead letters, oldest first; pending ones unless asked otherwise.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "dead letters", params(FilterQuery),
    responses((status = 200, body = Letters), Refused)
)]
pub(super) async fn list(
    admin: web::Data<Admin>,
    which: web::Query<FilterQuery>,
) -> Result<web::Json<Letters>, ApiError> {
    let limit = limit(which.limit)?;
    let range = Range { after_id: which.after.unwrap_or_default(), ..Range::first(limit) };
    let filter = which.into_inner().filter()?;
    let dead_letters = admin.store()?.dead_letters(&filter, range).await?;
    let is_full = dead_letters.len() as u64 == limit;
    let next = dead_letters.last().filter(|_| is_full).map(|letter| letter.id);
    Ok(web::Json(Letters { dead_letters, next }))
}

/// Count dead letters by cause; pending ones unless asked otherwise.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/groups", tag = "dead letters", params(FilterQuery),
    responses((status = 200, body = Groups), Refused)
)]
pub(super) async fn groups(
    admin: web::Data<Admin>,
    which: web::Query<FilterQuery>,
) -> Result<web::Json<Groups>, ApiError> {
    which.refuse_page()?;
    let filter = which.into_inner().filter()?;
    let groups = admin.store()?.dead_letter_groups(&filter, LIMIT_MAX).await?;
    Ok(web::Json(Groups { groups }))
}
