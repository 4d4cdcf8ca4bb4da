//! The store's filters as queries: the same types as in bodies and on the command line.
//!
//! Used by the lists. A list of a filter is named in the singular, once for each of its values:
//! `reason=malformed&reason=too_large`.

use std::fmt::Display;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::QueryPayloadError;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::ApiError;
use super::read::may_read;
use super::validation::{check_limit, check_values};
use crate::admin::Caller;
use crate::admin::access::{AccessError, Right};
use crate::operations::RetryFilter;
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::store::operations::history::LedgerFilter;

/// Rows of an answer, unless asked otherwise, and at most.
const LIMIT: u64 = 50;
pub(in crate::admin) const LIMIT_MAX: u64 = 500;

/// So much is quoted of a parameter that can't be read.
const NAMED_CHARS_MAX: usize = 80;

/// What says which page, and is no part of a filter.
const PAGE_KEYS: [&str; 3] = ["after", "before", "limit"];

/// A filter of the store that the API takes.
pub(in crate::admin) trait ApiFilter: DeserializeOwned {
    /// Its lists, in the singular.
    const LISTS: &'static [&'static str];

    /// Whether every database can be asked for it.
    fn check(&self) -> Result<(), ApiError>;

    /// Whether it looks into bodies: who asks often enough reads them by it.
    fn looks_into_bodies(&self) -> bool;

    /// Whether somebody may ask for it.
    fn allow(&self, caller: Option<&Caller>) -> Result<(), ApiError> {
        if self.looks_into_bodies() && !caller.is_some_and(may_read) {
            return Err(AccessError::Lacks(Right::Bodies).into());
        }
        Ok(())
    }
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

    fn looks_into_bodies(&self) -> bool {
        !self.chats.is_empty()
    }
}

impl ApiFilter for LedgerFilter {
    const LISTS: &'static [&'static str] = &[
        "id",
        "source",
        "session",
        "event",
        "outcome",
        "reason",
        "webhook_id",
        "message",
        "chat",
        "person",
    ];

    fn check(&self) -> Result<(), ApiError> {
        let Self {
            ids,
            sources,
            sessions,
            events,
            outcomes,
            reasons,
            webhook_ids,
            messages,
            chats,
            persons,
            since,
            until,
            normalizer_below: _,
        } = self;
        let lists = [sources, sessions, events, reasons, webhook_ids, messages, chats, persons];
        check_values(&lists, ids.len().max(outcomes.len()), [*since, *until])
    }

    fn looks_into_bodies(&self) -> bool {
        self.names_in_bodies()
    }
}

impl ApiFilter for RetryFilter {
    const LISTS: &'static [&'static str] = &["id", "group"];

    fn check(&self) -> Result<(), ApiError> {
        let Self { ids, groups } = self;
        check_values(&[ids, groups], 0, [None, None])
    }

    fn looks_into_bodies(&self) -> bool {
        false
    }
}

/// Of a list of which only the beginning can be read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin) struct LimitQuery {
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    pub(in crate::admin) limit: Option<u64>,
}

/// Of a list that is read from its oldest row on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin) struct AfterQuery {
    /// Only ids above this one: `next` of the page before.
    pub(in crate::admin) after: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    pub(in crate::admin) limit: Option<u64>,
}

/// Of a list that is read from its newest row on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::admin) struct BeforeQuery {
    /// Only ids below this one: `next` of the page before.
    pub(in crate::admin) before: Option<i64>,
    /// At most so many; 50 without it.
    #[param(minimum = 1, maximum = 500)]
    pub(in crate::admin) limit: Option<u64>,
}

/// Of what has no pages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct NoPage {}

/// A limit that was asked for.
pub(super) fn limit(asked: Option<u64>) -> Result<u64, ApiError> {
    check_limit(asked.unwrap_or(LIMIT), LIMIT_MAX)
}

/// Where the next page of a list begins: behind the last row, if a whole page was found.
pub(in crate::admin) fn next<T>(rows: &[T], limit: u64, id: impl Fn(&T) -> i64) -> Option<i64> {
    rows.last().filter(|_| rows.len() as u64 == limit).map(id)
}

/// A query that says which rows, and which page of them.
#[derive(Debug)]
pub(in crate::admin) struct FilterQuery<F, P>(pub(in crate::admin) F, pub(in crate::admin) P);

impl<F: ApiFilter, P: DeserializeOwned> FromRequest for FilterQuery<F, P> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.query_string()).and_then(|asked: Self| {
            asked.0.allow(request.extensions().get::<Caller>())?;
            Ok(asked)
        }))
    }
}

/// Reads a query string.
pub(in crate::admin) fn read<F: ApiFilter, P: DeserializeOwned>(
    query: &str,
) -> Result<FilterQuery<F, P>, ApiError> {
    let (page, filter): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|pair| PAGE_KEYS.contains(&key(pair).as_str()));
    let in_plural = |pair: &str| {
        let key = key(pair);
        let is_list = F::LISTS.contains(&key.as_str());
        if is_list { pair.replacen(&key, &format!("{key}s"), 1) } else { pair.to_owned() }
    };
    let read_filter = |query: &str| {
        let pairs: Vec<String> = query.split('&').map(in_plural).collect();
        serde_html_form::from_str::<F>(&pairs.join("&"))
    };
    let page = read_query::<P>(&page.join("&"))?;
    let filter = named(&filter.join("&"), read_filter)?;
    filter.check()?;
    Ok(FilterQuery(filter, page))
}

/// A query whose error names the parameter.
#[derive(Debug)]
pub(super) struct ApiQuery<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for ApiQuery<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read_query(request.query_string()).map(ApiQuery))
    }
}

fn read_query<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let words = |error: QueryPayloadError| match error {
        QueryPayloadError::Deserialize(cause) => cause.to_string(),
        other => other.to_string(),
    };
    let read = |part: &str| web::Query::<T>::from_query(part).map_err(words);
    Ok(named(query, read)?.into_inner())
}

/// Reads a query. If that fails, the parameter that fails alone is named.
fn named<T, E: Display>(query: &str, read: impl Fn(&str) -> Result<T, E>) -> Result<T, ApiError> {
    let error = match read(query) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    let alone = |pair: &str| Some((named_value(pair), read(pair).err()?));
    let found = query.split('&').find_map(alone);
    let (name, error) = found.unwrap_or_else(|| ("the query".to_owned(), error));
    Err(ApiError::refused(&name, &error.to_string()))
}

/// What was sent, as it is written in a query: `after=abc`.
fn named_value(pair: &str) -> String {
    pair.chars().take(NAMED_CHARS_MAX).collect()
}

fn key(pair: &str) -> String {
    pair.split('=').next().unwrap_or_default().to_owned()
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
            let error = read::<DeadLetterFilter, AfterQuery>(strange).err().unwrap().to_string();
            let names_it = error.contains(&key(strange)) || strange.ends_with("%00");
            assert!(names_it, "{strange}: {error}");
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
        each_is_known::<RetryFilter>();
    }
}
