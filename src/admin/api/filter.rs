//! The store's filters as queries: the same types as in bodies and on the command line.
//!
//! Used by the lists. A list of a filter is named in the singular, once for each of its values:
//! `reason=malformed&reason=too_large`.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::ApiError;
use super::validation::check_values;
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::store::operations::history::LedgerFilter;

/// Rows of an answer, unless asked otherwise, and at most.
const LIMIT: u64 = 50;
pub(super) const LIMIT_MAX: u64 = 500;

/// What says which page, and is no part of a filter.
const PAGE_KEYS: [&str; 3] = ["after", "before", "limit"];

/// A filter of the store that the API takes.
pub(super) trait ApiFilter: DeserializeOwned {
    /// Its lists, in the singular.
    const LISTS: &'static [&'static str];

    /// Whether every database can be asked for it.
    fn check(&self) -> Result<(), ApiError>;
}

impl ApiFilter for DeadLetterFilter {
    const LISTS: &'static [&'static str] =
        &["id", "group", "reason", "source", "session", "event", "chat", "state"];

    fn check(&self) -> Result<(), ApiError> {
        let Self { ids, groups, reasons, sources, sessions, events, chats, states, since, until } =
            self;
        let lists = [groups, reasons, sources, sessions, events, chats];
        check_values(&lists, ids.len().max(states.len()), [*since, *until])
    }
}

impl ApiFilter for LedgerFilter {
    const LISTS: &'static [&'static str] =
        &["id", "source", "session", "event", "outcome", "reason"];

    fn check(&self) -> Result<(), ApiError> {
        let Self {
            ids,
            sources,
            sessions,
            events,
            outcomes,
            reasons,
            since,
            until,
            normalizer_below: _,
        } = self;
        let lists = [sources, sessions, events, reasons];
        check_values(&lists, ids.len().max(outcomes.len()), [*since, *until])
    }
}

/// Of a list that is read from its oldest row on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AfterQuery {
    /// Only ids above this one: `next` of the page before.
    pub(super) after: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u64>,
}

/// Of a list that is read from its newest row on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BeforeQuery {
    /// Only ids below this one: `next` of the page before.
    pub(super) before: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u64>,
}

/// Of what has no pages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoPage {}

/// A limit that was asked for.
pub(super) fn limit(asked: Option<u64>) -> Result<u64, ApiError> {
    let limit = asked.unwrap_or(LIMIT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::BadRequest(format!("limit is not between 1 and {LIMIT_MAX}")))
}

/// Where the next page of a list begins: behind the last row, if a whole page was found.
pub(super) fn next<T>(rows: &[T], limit: u64, id: impl Fn(&T) -> i64) -> Option<i64> {
    rows.last().filter(|_| rows.len() as u64 == limit).map(id)
}

/// A query that says which rows, and which page of them.
#[derive(Debug)]
pub(super) struct FilterQuery<F, P>(pub(super) F, pub(super) P);

impl<F: ApiFilter, P: DeserializeOwned> FromRequest for FilterQuery<F, P> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.query_string()))
    }
}

fn read<F: ApiFilter, P: DeserializeOwned>(query: &str) -> Result<FilterQuery<F, P>, ApiError> {
    let key = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let (page, filter): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|pair| PAGE_KEYS.contains(&key(pair).as_str()));
    let in_plural = |pair: &str| {
        let key = key(pair);
        let is_list = F::LISTS.contains(&key.as_str());
        if is_list { pair.replacen(&key, &format!("{key}s"), 1) } else { pair.to_owned() }
    };
    let filter: Vec<String> = filter.into_iter().map(in_plural).collect();
    let strange = || ApiError::BadRequest("the query is not the one that is described".to_owned());
    let page = web::Query::<P>::from_query(&page.join("&")).map_err(|_| strange())?;
    let filter = serde_html_form::from_str::<F>(&filter.join("&")).map_err(|_| strange())?;
    filter.check()?;
    Ok(FilterQuery(filter, page.into_inner()))
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::path::ParameterIn;

    use super::*;
    use crate::store::apply::burial::state::DeadLetterState;

    #[test]
    fn a_query_names_lists_in_the_singular_and_pages_beside() {
        let query =
            "state=pending&state=discarded&chat=1%40c.us&since=2026-11-20T08:00:00Z&id=7&limit=3";
        let FilterQuery(filter, page) = read::<DeadLetterFilter, AfterQuery>(query).unwrap();
        let expected = DeadLetterFilter {
            ids: vec![7],
            chats: vec!["1@c.us".to_owned()],
            states: vec![DeadLetterState::Pending, DeadLetterState::Discarded],
            since: Some("2026-11-20T08:00:00Z".parse().unwrap()),
            ..DeadLetterFilter::default()
        };
        assert_eq!((filter, page.after, page.limit), (expected, None, Some(3)));
        assert!(read::<LedgerFilter, NoPage>("").is_ok());
        for strange in ["before=1", "limit=x", "unknown=1", "state=lost", "id=x", "session=%00"] {
            assert!(read::<DeadLetterFilter, AfterQuery>(strange).is_err(), "{strange}");
        }
        assert!(read::<LedgerFilter, NoPage>("limit=1").is_err(), "it has no pages");
    }

    /// What is described is taken, whatever is told of its value.
    fn each_is_known<F: ApiFilter + IntoParams>() {
        for parameter in F::into_params(|| Some(ParameterIn::Query)) {
            let name = parameter.name.as_str();
            let key = if F::LISTS.contains(&name) { format!("{name}s") } else { name.to_owned() };
            if let Err(error) = serde_html_form::from_str::<F>(&format!("{key}=1")) {
                assert!(!error.to_string().contains("unknown field"), "{name}: {error}");
            }
        }
    }

    #[test]
    fn a_query_takes_what_is_described() {
        each_is_known::<DeadLetterFilter>();
        each_is_known::<LedgerFilter>();
    }
}
