//! Filters in the addresses of pages: those of the API, and what forms make of them.
//!
//! A form sends its empty fields as well, and people write `12h` for a time. All else is as the API reads
//! it, so an address of the one is an address of the other.

use actix_web::{HttpMessage, HttpRequest};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::users::Visitor;
use crate::admin::api::ApiError;
use crate::admin::api::filter::{ApiFilter, FilterQuery, read};
use crate::clock::parse_time;

/// What pages say in their addresses that is no part of a filter.
const OWN: [&str; 4] = ["done", "count", "unseen", "forecast"];

/// What a page is asked for, by somebody who may ask for it.
pub(super) fn of_query<F: ApiFilter, P: DeserializeOwned>(
    request: &HttpRequest,
) -> Result<FilterQuery<F, P>, ApiError> {
    let asked: FilterQuery<F, P> = read_page_query(request.query_string())?;
    asked.0.allow(request.extensions().get::<Visitor>().map(|visitor| &visitor.caller))?;
    Ok(asked)
}

/// Reads the query of a page.
fn read_page_query<F: ApiFilter, P: DeserializeOwned>(
    query: &str,
) -> Result<FilterQuery<F, P>, ApiError> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let told = pairs.filter(|(key, value)| !value.is_empty() && !OWN.contains(key));
    let pairs = told.map(|(key, value)| match key {
        "since" | "until" => Ok(format!("{key}={}", moment(key, value)?)),
        _ => Ok(format!("{key}={value}")),
    });
    read(&pairs.collect::<Result<Vec<_>, ApiError>>()?.join("&"))
}

/// As people write it, or as the API does.
fn moment(key: &str, value: &str) -> Result<String, ApiError> {
    let text = percent_decode_str(value).decode_utf8_lossy().into_owned();
    let time = parse_time(text.trim());
    let time = time.map_err(|problem| ApiError::BadRequest(format!("{key}: {problem}")))?;
    Ok(encoded(&time.to_rfc3339()))
}

/// A filter as the query of an address, with nothing in front.
pub(super) fn to_query<F: ApiFilter + Serialize>(filter: &F) -> String {
    let Ok(Value::Object(fields)) = serde_json::to_value(filter) else { return String::new() };
    let mut pairs = Vec::new();
    for (key, value) in &fields {
        let singular = key.strip_suffix('s').filter(|key| F::LISTS.contains(key));
        match (singular, value) {
            (Some(key), Value::Array(values)) => {
                pairs.extend(values.iter().map(|value| pair(key, value)));
            }
            _ => pairs.push(pair(key, value)),
        }
    }
    pairs.join("&")
}

fn pair(key: &str, value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("{key}={}", encoded(&text))
}

/// What a page says in its address of what was done just before.
pub(super) fn value_in<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The same of a number.
pub(super) fn count_in(query: &str, name: &str) -> Option<u64> {
    value_in(query, name)?.parse().ok()
}

/// A value in an address.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, NON_ALPHANUMERIC).to_string()
}

/// An address with the query that a filter is, and more behind it.
pub(super) fn address(path: &str, query: &str, more: &str) -> String {
    let parts: Vec<&str> = [query, more].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { path.to_owned() } else { format!("{path}?{}", parts.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::api::filter::{AfterQuery, NoPage};
    use crate::store::operations::dead_letter::DeadLetterFilter;
    use crate::store::operations::history::LedgerFilter;

    #[test]
    fn an_address_is_read_as_it_was_written() {
        let query = "state=pending&session=a%26b&session=%D9%85&until=2026-11-20T08:00:00Z&id=7";
        let FilterQuery(filter, _) = read_page_query::<DeadLetterFilter, NoPage>(query).unwrap();
        assert_eq!(filter.sessions, ["a&b", "م"]);
        let FilterQuery(again, _) = read_page_query::<_, NoPage>(&to_query(&filter)).unwrap();
        assert_eq!(filter, again);
        let query = "outcome=applied&normalizer_below=7";
        let FilterQuery(filter, _) = read_page_query::<LedgerFilter, NoPage>(query).unwrap();
        let FilterQuery(again, _) = read_page_query::<_, NoPage>(&to_query(&filter)).unwrap();
        assert_eq!(filter, again);
    }

    #[test]
    fn forms_send_empty_fields_and_people_write_spans() {
        let query = "reason=&since=12h&session=&done=discarded&count=5&after=3";
        let FilterQuery(filter, page) =
            read_page_query::<DeadLetterFilter, AfterQuery>(query).unwrap();
        assert!(filter.since.is_some() && filter.reasons.is_empty());
        assert_eq!(page.after, Some(3));
        assert!(read_page_query::<DeadLetterFilter, AfterQuery>("since=yesterday").is_err());
    }
}
