//! What every request that acts must keep to, whatever it asks for.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use chrono::{DateTime, Datelike, Utc};

use super::ApiError;

/// Values of one list in a filter, at most.
const VALUES_MAX: usize = 1_000;

/// Most webhooks per second that can be asked for.
const RATE_MAX: f64 = 1_000_000.0;

/// PostgreSQL refuses a NUL in a text.
pub(in crate::admin) fn check_note(note: Option<&str>) -> Result<(), ApiError> {
    match note {
        Some(note) if note.contains('\0') => {
            Err(ApiError::BadRequest("note holds a NUL".to_owned()))
        }
        _ => Ok(()),
    }
}

/// A rate is above 0, and bounded.
pub(super) fn check_rate(rate: Option<f64>) -> Result<(), ApiError> {
    if rate.is_none_or(|rate| rate > 0.0 && rate <= RATE_MAX) {
        return Ok(());
    }
    Err(ApiError::BadRequest("rate is not above 0 and at most 1000000".to_owned()))
}

/// A page has some rows, and at most `most`.
pub(super) fn check_limit(limit: u64, most: u64) -> Result<u64, ApiError> {
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::BadRequest(format!("limit: must be between 1 and {most}, and is {limit}")))
}

/// What a NUL is in an address.
const NUL: &str = "%00";

/// No query of whatever is asked holds a NUL: for filters, pages and exports alike it is looked here.
pub(in crate::admin) fn check_query(query: &str) -> Result<(), ApiError> {
    if query.contains(NUL) {
        return Err(ApiError::BadRequest("a text of the query holds a NUL".to_owned()));
    }
    Ok(())
}

/// The same around all ways of the API.
pub(super) async fn refuse_nul(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    check_query(request.query_string())?;
    next.call(request).await
}

/// No row holds a NUL, and PostgreSQL refuses to look for one: the texts of a body.
pub(super) fn check_texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<(), ApiError> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(ApiError::BadRequest("a text holds a NUL".to_owned()));
    }
    Ok(())
}

/// Whether every database can be asked for a filter: its lists of texts, the length of its list of
/// something else, its times.
pub(super) fn check_values(
    lists: &[&Vec<String>],
    others: usize,
    times: [Option<DateTime<Utc>>; 2],
) -> Result<(), ApiError> {
    let wrong = |problem: &str| Err(ApiError::BadRequest(problem.to_owned()));
    if lists.iter().any(|list| list.len() > VALUES_MAX) || others > VALUES_MAX {
        return wrong("a list has more than 1000 values");
    }
    check_texts(lists.iter().copied().flatten())?;
    let is_storable = |time: &DateTime<Utc>| (1970..=9999).contains(&time.year());
    if !times.iter().flatten().all(is_storable) {
        return wrong("since or until is not between 1970 and 9999");
    }
    if let [Some(since), Some(until)] = times
        && since >= until
    {
        return wrong("since must be before until: nothing came between them");
    }
    Ok(())
}
