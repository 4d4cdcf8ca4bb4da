//! `GET /api/v1/messages`: searches the texts of messages, for applications that do not read tables by SQL.

use actix_web::web;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::error::Refused;
use super::filter::ApiQuery;
use super::validation::{check_limit, check_texts, check_values};
use super::{ApiError, Problem};
use crate::admin::{Admin, Caller};
use crate::search::SearchQuery;
use crate::store::Store;
use crate::store::operations::search::{
    FoundMessage, FoundPage, MessageSearch, SearchCursor, SearchState, SearchStatus,
};
use crate::store::operations::sessions::SessionReach;

/// Messages of an answer, unless asked otherwise, and at most: each may hold a long text.
const LIMIT: u64 = 20;
const LIMIT_MAX: u64 = 100;

/// What is looked for, and where.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Messages with all of these words are found. A word is looked for at the beginning of words, without
    /// regard to case and accents; Chinese, Japanese, Thai and the like, and emoji, anywhere. Nothing is an
    /// operator or a wildcard. At most 200 characters, and a word of two letters at least.
    #[param(required)]
    q: Option<String>,
    /// Only from this WAHA server.
    source: Option<String>,
    /// Only of this session.
    session: Option<String>,
    /// Only in the conversation with this id of WhatsApp, by either id of a person.
    chat: Option<String>,
    /// Only older messages: `next` of the page before, or a time.
    before: Option<String>,
    /// At most so many; 20 without it.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

/// A page of messages, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct MessagesPage {
    messages: Vec<Found>,
    /// `before` of the next page; none after the last.
    next: Option<String>,
    /// False while older messages are still being filled in: some are not found yet.
    complete: bool,
    /// Positions of the feed that the search has not come to: what they tell is not found yet.
    behind: i64,
}

/// A message that was found.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundMessage)]
struct Found {
    /// Configured WAHA server.
    source: String,
    /// WAHA's name of the session.
    session: String,
    /// WhatsApp's id of the conversation.
    chat: String,
    /// The row of `waha_visible_messages` as it is now.
    #[schema(value_type = Object)]
    row: Value,
}

impl From<FoundMessage> for Found {
    fn from(found: FoundMessage) -> Self {
        let FoundMessage { source, session, chat, row } = found;
        Self { source, session, chat, row }
    }
}

/// Search the messages of the sessions that the token may see. What was revoked is not found.
#[utoipa::path(
    get, path = "/api/v1/messages", tag = "messages", params(FilterQuery),
    responses(
        (status = 200, body = MessagesPage),
        (status = 409, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn search(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    ApiQuery(which): ApiQuery<FilterQuery>,
) -> Result<web::Json<MessagesPage>, ApiError> {
    let search = which.read()?;
    let store = admin.store()?;
    let status = ready(store, admin.searches).await?;
    let FilterQuery { source, session, chat, .. } = which;
    let sessions = reachable(store, &caller.reach, source, session).await?;
    let found = MessageSearch {
        query: &search.query,
        sessions: sessions.as_deref(),
        chat: chat.as_deref(),
        before: search.before,
        limit: search.limit,
    };
    let FoundPage { messages, next } = store.find_messages(found).await?;
    Ok(web::Json(MessagesPage {
        messages: messages.into_iter().map(Found::from).collect(),
        next: next.map(written),
        complete: status.state == SearchState::On,
        behind: status.behind,
    }))
}

/// What was asked, read.
struct Search {
    query: SearchQuery,
    before: Option<SearchCursor>,
    limit: u64,
}

impl FilterQuery {
    fn read(&self) -> Result<Search, ApiError> {
        check_texts([&self.source, &self.session, &self.chat].into_iter().flatten())?;
        let limit = check_limit(self.limit.unwrap_or(LIMIT), LIMIT_MAX)?;
        let missing = || ApiError::BadRequest("q is missing: say what to look for".to_owned());
        let query = SearchQuery::parse(self.q.as_deref().ok_or_else(missing)?);
        let query = query.map_err(|error| ApiError::BadRequest(error.to_string()))?;
        let before = self.before.as_deref().map(cursor).transpose()?;
        Ok(Search { query, before, limit })
    }
}

/// A place as it is told.
fn written(cursor: SearchCursor) -> String {
    let at = cursor.at.to_rfc3339_opts(SecondsFormat::Micros, true);
    format!("{at}_{}", cursor.id)
}

fn cursor(told: &str) -> Result<SearchCursor, ApiError> {
    let wrong = || {
        ApiError::BadRequest("before is neither `next` of a page nor a time (RFC 3339)".to_owned())
    };
    let (at, id) = match told.split_once('_') {
        Some((at, id)) => (at, id.parse().map_err(|_| wrong())?),
        None => (told, i64::MIN),
    };
    let at: DateTime<Utc> = at.parse().map_err(|_| wrong())?;
    check_values(&[], 0, [Some(at), None])?;
    Ok(SearchCursor { at, id })
}

/// How the search stands; an error with what helps if there is nothing to search in.
async fn ready(store: &Store, is_configured: bool) -> Result<SearchStatus, ApiError> {
    if !is_configured {
        let text = "search is off: set search.enabled = true, run `waha-ingest search enable`, and restart";
        return Err(ApiError::Conflict(text.to_owned()));
    }
    let status = store.search_status().await?;
    if !status.state.has_words() {
        let text = "search is not set up: run `waha-ingest search enable`";
        return Err(ApiError::Conflict(text.to_owned()));
    }
    Ok(status)
}

/// The sessions that the token may see and that are asked for; none: all.
async fn reachable(
    store: &Store,
    reach: &SessionReach,
    source: Option<String>,
    session: Option<String>,
) -> Result<Option<Vec<i64>>, ApiError> {
    match reach.clone().narrowed(source, session) {
        Some(reach) => Ok(Some(store.session_ids_within(&reach).await?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = SearchCursor { at: "2026-11-20T08:00:00.000123Z".parse().unwrap(), id: 7 };
        assert_eq!(cursor(&written(place)).unwrap(), place);
        assert_eq!(cursor("2026-11-20T08:00:00Z").unwrap().id, i64::MIN);
        for wrong in
            ["", "7", "_7", "2026-11-20", "2026-11-20T08:00:00Z_x", "0001-01-01T00:00:00Z_1"]
        {
            assert!(cursor(wrong).is_err(), "{wrong}");
        }
    }
}
