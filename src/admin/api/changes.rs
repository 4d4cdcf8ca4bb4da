//! `GET /api/v1/changes`: the feed, for applications that do not read it by SQL. As a page, which waits for
//! something to come if asked, or as a stream of events for who accepts `text/event-stream`.

mod stream;
mod wait;

use std::time::Duration;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use entity::waha_changes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::error::Refused;
use super::{ApiError, Problem};
use crate::admin::{Admin, Caller};
use crate::store::Store;
use crate::store::feed::ChangeKind;
use crate::store::operations::feed::{ChangeFilter, ChangePage, ChangeWithRow, Cursor};
use crate::store::operations::sessions::SessionReach;

pub use wait::FeedWatch;

/// Changes of an answer, unless asked otherwise, and at most.
const LIMIT: u64 = 100;
const LIMIT_MAX: u64 = 1000;
/// A row may hold a long text.
const LIMIT_WITH_ROWS: u64 = 100;
/// Longest wait for something to come, in seconds.
const WAIT_S_MAX: u64 = 60;
/// The header by which a browser's `EventSource` says how far it came.
const LAST_EVENT_ID: &str = "last-event-id";
const EVENT_STREAM: &str = "text/event-stream";

/// Which changes. What is left out does not restrict.
#[derive(Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// Only positions above this one: `position` of the page before. A stream begins after
    /// `Last-Event-ID`, if that is sent.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// `epoch` of the page before: refused with 410 if the feed is another one by now.
    epoch: Option<String>,
    /// At most so many; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// Wait so many seconds for something to come, if there is nothing.
    #[param(minimum = 0, maximum = 60)]
    wait_s: Option<u64>,
    /// `row`: each change with its row as it is now, at most 100 changes.
    #[param(inline)]
    include: Option<Include>,
    /// Only of these kinds, with commas between them: `message.created,message.status`.
    kind: Option<String>,
    /// Only from this WAHA server.
    source: Option<String>,
    /// Only of this session.
    session: Option<String>,
}

/// What comes with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChangeInclude)]
enum Include {
    /// The row that it is about.
    Row,
}

/// A part of the feed.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangesPage {
    /// Which feed it is: another one once the database was restored from a backup.
    epoch: String,
    /// `after` of the next page.
    position: i64,
    /// In the order of positions.
    changes: Vec<Change>,
}

/// A change.
#[derive(Serialize, ToSchema)]
struct Change {
    /// Place in the feed.
    position: i64,
    /// What happened; says which table `row_id` is of.
    kind: String,
    /// Row of `waha_sessions`.
    session_id: i64,
    /// Row of `waha_chats`, if it belongs to one.
    chat_id: Option<i64>,
    /// Row that changed.
    row_id: i64,
    /// What WAHA calls it.
    natural_key: String,
    /// When it was written.
    changed_at: DateTime<Utc>,
    /// If it is asked for: the row as it is now; null if it is gone or lists don't show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable)]
    row: Option<Value>,
    /// If rows are asked for, of a message that gave way: the row that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<i64>,
}

impl From<ChangeWithRow> for Change {
    fn from(told: ChangeWithRow) -> Self {
        let ChangeWithRow { change, row, merged_into } = told;
        Self { row: Some(row.unwrap_or_default()), merged_into, ..Self::from(change) }
    }
}

impl From<waha_changes::Model> for Change {
    fn from(model: waha_changes::Model) -> Self {
        let waha_changes::Model {
            position,
            kind,
            session_id,
            chat_id,
            row_id,
            natural_key,
            changed_at,
        } = model;
        Self {
            position,
            kind,
            session_id,
            chat_id,
            row_id,
            natural_key,
            changed_at,
            row: None,
            merged_into: None,
        }
    }
}

/// A follower and what it asked for.
struct Follower {
    after: i64,
    epoch: Option<String>,
    limit: u64,
    wait: Duration,
    has_rows: bool,
    kinds: Vec<ChangeKind>,
    /// None if it sees all sessions.
    reach: Option<SessionReach>,
}

/// Follow what changes.
#[utoipa::path(
    get, path = "/api/v1/changes", tag = "changes", params(FilterQuery),
    responses(
        (status = 200, content(
            (ChangesPage = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 410, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn follow(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    which: web::Query<FilterQuery>,
) -> Result<HttpResponse, ApiError> {
    let mut follower = which.into_inner().follower(&caller.reach)?;
    if accepts_events(&request) {
        follower.after = last_event(&request)?.unwrap_or(follower.after);
        return stream::stream(admin, follower).await;
    }
    let page = follower.next_page(&admin, follower.wait).await?;
    Ok(HttpResponse::Ok().json(page))
}

fn accepts_events(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with(EVENT_STREAM))
}

fn last_event(request: &HttpRequest) -> Result<Option<i64>, ApiError> {
    let Some(told) = request.headers().get(LAST_EVENT_ID) else { return Ok(None) };
    let position = told.to_str().ok().and_then(|text| text.parse().ok()).filter(|it| *it >= 0);
    let problem = || ApiError::BadRequest("Last-Event-ID is no position of the feed".to_owned());
    position.map(Some).ok_or_else(problem)
}

impl FilterQuery {
    fn follower(self, reach: &SessionReach) -> Result<Follower, ApiError> {
        let after = self.after.unwrap_or_default();
        let limit = self.limit.unwrap_or(LIMIT);
        let wait_s = self.wait_s.unwrap_or_default();
        let wrong = |problem: String| Err(ApiError::BadRequest(problem));
        if after < 0 {
            return wrong("after is below 0".to_owned());
        }
        if !(1..=LIMIT_MAX).contains(&limit) {
            return wrong(format!("limit is not between 1 and {LIMIT_MAX}"));
        }
        if wait_s > WAIT_S_MAX {
            return wrong(format!("wait_s is above {WAIT_S_MAX}"));
        }
        let kinds = self.kind.as_deref().map(kinds).transpose()?.unwrap_or_default();
        let reach = reach.clone().narrowed(self.source, self.session);
        let wait = Duration::from_secs(wait_s);
        let has_rows = self.include == Some(Include::Row);
        let limit = if has_rows { limit.min(LIMIT_WITH_ROWS) } else { limit };
        Ok(Follower { after, epoch: self.epoch, limit, wait, has_rows, kinds, reach })
    }
}

fn kinds(list: &str) -> Result<Vec<ChangeKind>, ApiError> {
    let kind = |name: &str| {
        let known =
            || ChangeKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let problem = || ApiError::BadRequest(format!("kind is not among {}", known()));
        ChangeKind::of(name.trim()).ok_or_else(problem)
    };
    list.split(',').map(kind).collect()
}

impl Follower {
    /// What comes after its position; waits for something to come, at most so long.
    async fn next_page(&self, admin: &Admin, wait: Duration) -> Result<ChangesPage, ApiError> {
        let store = admin.store()?;
        let mut after = self.after;
        let until = tokio::time::Instant::now() + wait;
        loop {
            let state = admin.feed.newer_than(store, after, until, &admin.stop).await?;
            let sessions = match &self.reach {
                Some(reach) => Some(store.session_ids_within(reach).await?),
                None => None,
            };
            let filter = ChangeFilter { kinds: self.kinds.clone(), sessions };
            let cursor = Cursor { after, epoch: self.epoch.as_deref() };
            let page = store.changes_after(&state, cursor, &filter, self.limit).await??;
            let ChangePage { changes, position } = page;
            after = position;
            let is_over = tokio::time::Instant::now() >= until || admin.stop.is_cancelled();
            if !changes.is_empty() || is_over {
                let changes = self.told(store, changes).await?;
                return Ok(ChangesPage { epoch: state.epoch, position, changes });
            }
        }
    }

    async fn told(
        &self,
        store: &Store,
        changes: Vec<waha_changes::Model>,
    ) -> Result<Vec<Change>, ApiError> {
        if self.has_rows {
            return Ok(store.with_rows(changes).await?.into_iter().map(Change::from).collect());
        }
        Ok(changes.into_iter().map(Change::from).collect())
    }
}
