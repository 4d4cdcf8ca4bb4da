//! `GET /api/v1/changes`: the feed, for applications that do not read it by SQL. As a page, which waits for
//! something to come if asked, or as a stream of events for who accepts `text/event-stream`.

mod feed;
mod stream;
mod wait;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, web};
use entity::waha_changes;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::Refused;
use super::filter::ApiQuery;
use super::validation::{check_limit, check_texts};
use super::{ApiError, Problem};
use crate::admin::{Admin, Caller};
use crate::operations::ChangeReport;
use crate::store::Store;
use crate::store::feed::ChangeKind;
use crate::store::operations::feed::{
    ChangeFilter, ChangePage, ChangeWithRow, Cursor, PageWithRows, ROWS_BYTES_MAX,
};
use crate::store::operations::sessions::SessionReach;

pub(super) use feed::*;
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
    /// `row`: each change with its row as it is now, at most 100 changes, and fewer where their rows have more
    /// than 1 MiB together.
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
    changes: Vec<ChangeReport>,
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
        (status = 429, body = Problem, content_type = "application/problem+json"),
        Refused
    )
)]
pub(super) async fn follow(
    admin: web::Data<Admin>,
    caller: web::ReqData<Caller>,
    request: HttpRequest,
    ApiQuery(which): ApiQuery<FilterQuery>,
) -> Result<HttpResponse, ApiError> {
    let mut follower = which.follower(&caller.reach)?;
    if accepts_events(&request) {
        if let Some(last) = last_event(&request)? {
            follower.go_on_after(last);
        }
        return stream::stream(admin, follower).await;
    }
    let _place = admin.feed.place()?;
    let page = follower.next_page(&admin, follower.wait).await?;
    Ok(HttpResponse::Ok().json(page))
}

fn accepts_events(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with(EVENT_STREAM))
}

/// The last event that somebody has: the id of [`stream`]'s, or a position alone.
struct LastEvent {
    epoch: Option<String>,
    position: i64,
}

impl LastEvent {
    fn parse(id: &str) -> Option<Self> {
        let (epoch, position) = match id.rsplit_once('_') {
            Some((epoch, position)) => (Some(epoch.to_owned()), position),
            None => (None, id),
        };
        let position = position.parse().ok().filter(|it| *it >= 0)?;
        Some(Self { epoch, position })
    }
}

fn last_event(request: &HttpRequest) -> Result<Option<LastEvent>, ApiError> {
    let Some(told) = request.headers().get(LAST_EVENT_ID) else { return Ok(None) };
    let problem = || ApiError::BadRequest("Last-Event-ID is no event of the feed".to_owned());
    told.to_str().ok().and_then(LastEvent::parse).map(Some).ok_or_else(problem)
}

impl FilterQuery {
    fn follower(self, reach: &SessionReach) -> Result<Follower, ApiError> {
        let after = self.after.unwrap_or_default();
        let wait_s = self.wait_s.unwrap_or_default();
        let wrong = |problem: String| Err(ApiError::BadRequest(problem));
        if after < 0 {
            return wrong("after is below 0".to_owned());
        }
        let limit = check_limit(self.limit.unwrap_or(LIMIT), LIMIT_MAX)?;
        if wait_s > WAIT_S_MAX {
            return wrong(format!("wait_s is above {WAIT_S_MAX}"));
        }
        check_texts([&self.source, &self.session, &self.epoch].into_iter().flatten())?;
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
        let sent: String = name.trim().chars().take(40).collect();
        let problem =
            || ApiError::BadRequest(format!("kind: there is no {sent:?}; there are {}", known()));
        ChangeKind::of(name.trim()).ok_or_else(problem)
    };
    list.split(',').map(kind).collect()
}

impl Follower {
    /// What it says of its epoch in the request holds where the event does not tell one.
    fn go_on_after(&mut self, last: LastEvent) {
        self.after = last.position;
        self.epoch = last.epoch.or(self.epoch.take());
    }

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
            after = page.position;
            let is_over = tokio::time::Instant::now() >= until || admin.stop.is_cancelled();
            if !page.changes.is_empty() || is_over {
                let (changes, position) = self.told(store, page).await?;
                return Ok(ChangesPage { epoch: state.epoch, position, changes });
            }
        }
    }

    /// What is told of a page, and up to where: with rows it may end earlier.
    async fn told(
        &self,
        store: &Store,
        page: ChangePage,
    ) -> Result<(Vec<ChangeReport>, i64), ApiError> {
        let sessions: BTreeSet<i64> = page.changes.iter().map(|change| change.session_id).collect();
        let names: HashMap<_, _> = store.session_names(sessions).await?.into_iter().collect();
        let name = |id: i64| names.get(&id).cloned().unwrap_or_default();
        if self.has_rows {
            let PageWithRows { changes, position } = store.with_rows(page, ROWS_BYTES_MAX).await?;
            let report = |told: ChangeWithRow| {
                let session = name(told.change.session_id);
                ChangeReport::with_row(told, session)
            };
            return Ok((changes.into_iter().map(report).collect(), position));
        }
        let report = |change: waha_changes::Model| {
            let session = name(change.session_id);
            ChangeReport::new(change, session)
        };
        Ok((page.changes.into_iter().map(report).collect(), page.position))
    }
}
