//! Sessions as operators see them, and when something came from them. Called by `quiet_sessions` and `admin`.
//!
//! What the ledger is asked here walks its index on session and time: a few rows, however many the
//! session has.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Serialize;
use utoipa::ToSchema;

use entity::{
    waha_session_statuses as status, waha_sessions as session, webhook_events as webhook,
};

use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::webhook::BACKFILL_PREFIX;

/// The status of a session that should hear from WhatsApp.
const WORKING: &str = "WORKING";
/// The status of a session that somebody must look after.
const FAILED: &str = "FAILED";
/// Tells that a session changed its status: the end of an interruption rather than of a pause.
const STATUS_EVENT: &str = "session.status";

/// Webhooks among which the one that was told last is looked for: repetitions come out of order.
const LAST_TOLD: u64 = 20;
/// A clock that is ahead by more counts as ahead by this.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(1);
/// States of a session that are told.
const STATUSES_MAX: u64 = 50;

/// Sessions read at a time.
const PAGE: u64 = 1000;

/// Which sessions somebody may see. An empty list does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionReach {
    /// Names of WAHA servers.
    pub sources: Vec<String>,
    /// WAHA's names of sessions.
    pub sessions: Vec<String>,
}

impl SessionReach {
    /// Only what is within reach and of this source and session, if they are told; none if nothing restricts.
    /// Whoever asks for what is out of reach sees nothing.
    pub fn narrowed(mut self, source: Option<String>, session: Option<String>) -> Option<Self> {
        for (names, asked) in [(&mut self.sources, source), (&mut self.sessions, session)] {
            let Some(asked) = asked else { continue };
            let is_within = names.is_empty() || names.contains(&asked);
            // No session has an empty name.
            *names = vec![if is_within { asked } else { String::new() }];
        }
        (self != Self::default()).then_some(self)
    }

    pub(super) fn condition(&self) -> Condition {
        let among = |column: session::Column, names: &[String]| {
            (!names.is_empty()).then(|| column.is_in(names))
        };
        Condition::all()
            .add_option(among(session::Column::Source, &self.sources))
            .add_option(among(session::Column::Name, &self.sessions))
    }
}

/// Which of the sessions within reach are looked for; nothing restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Those that somebody may see.
    pub reach: SessionReach,
    /// What WAHA last told of them.
    pub status: Option<String>,
    /// These alone.
    pub ids: Option<Vec<i64>>,
    /// None of these.
    pub other_ids: Vec<i64>,
}

impl SessionFilter {
    fn condition(&self) -> Condition {
        let Self { reach, status, ids, other_ids } = self;
        let id = session::Column::Id;
        reach
            .condition()
            .add_option(status.as_ref().map(|status| session::Column::Status.eq(status)))
            .add_option(ids.as_ref().map(|ids| id.is_in(ids.iter().copied())))
            .add_option((!other_ids.is_empty()).then(|| id.is_not_in(other_ids.iter().copied())))
    }
}

/// A session, and when the last webhook came from it.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct SessionRow {
    /// Key of the row.
    pub id: i64,
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub name: String,
    /// What WAHA last told; none before that.
    pub status: Option<String>,
    /// Since when.
    pub status_at: Option<DateTime<Utc>>,
    /// When the door took in the last webhook that ended; none if the ledger has none.
    pub last_webhook_at: Option<DateTime<Utc>>,
}

/// What runs a session, and its states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionHistory {
    /// `WEBJS`, `NOWEB`, `GOWS` or `WPP`.
    pub engine: Option<String>,
    /// Release of WAHA.
    pub waha_version: Option<String>,
    /// The last that WAHA told, newest first; at most 50.
    pub statuses: Vec<SessionStatus>,
}

/// A state of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionStatus {
    /// WAHA's word.
    pub status: String,
    /// Since when, by WAHA's clock.
    pub at: DateTime<Utc>,
}

impl SessionRow {
    /// Whether somebody must look after it.
    pub fn is_failed(&self) -> bool {
        self.status.as_deref() == Some(FAILED)
    }
}

impl Store {
    /// At most `limit` sessions of a filter with ids above `after_id`, in that order.
    pub async fn sessions(
        &self,
        filter: &SessionFilter,
        after_id: i64,
        limit: u64,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let rows = select(after_id, limit).filter(filter.condition()).into_model::<SessionRow>();
        Ok(rows.all(&self.reading()).await?)
    }

    /// One session within reach.
    pub async fn session(
        &self,
        reach: &SessionReach,
        id: i64,
    ) -> Result<Option<SessionRow>, StoreError> {
        let row = reports().filter(session::Column::Id.eq(id)).filter(reach.condition());
        Ok(row.into_model::<SessionRow>().one(&self.reading()).await?)
    }

    /// What runs a session, and the last states that WAHA told of it, newest first.
    pub async fn session_history(&self, id: i64) -> Result<SessionHistory, StoreError> {
        let db = self.reading();
        let row = session::Entity::find_by_id(id).one(&db).await?;
        let statuses = status::Entity::find()
            .filter(status::Column::SessionId.eq(id))
            .order_by_desc(status::Column::At)
            .limit(STATUSES_MAX);
        let statuses = statuses.all(&db).await?.into_iter();
        let (engine, waha_version) = row.map_or((None, None), |row| (row.engine, row.waha_version));
        let statuses = statuses.map(|row| SessionStatus { status: row.status, at: row.at });
        Ok(SessionHistory { engine, waha_version, statuses: statuses.collect() })
    }

    /// Ids of the sessions within reach.
    pub async fn session_ids_within(&self, reach: &SessionReach) -> Result<Vec<i64>, StoreError> {
        let select = session::Entity::find().select_only().column(session::Column::Id);
        let select = select.filter(reach.condition()).into_tuple();
        Ok(select.all(&self.pool().db).await?)
    }

    /// Sessions that WAHA calls failed.
    pub async fn failed_sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        let rows = select(0, PAGE).filter(session::Column::Status.eq(FAILED));
        Ok(rows.into_model::<SessionRow>().all(&self.pool().db).await?)
    }

    /// Working sessions whose last webhook came before a time.
    pub async fn quiet_sessions(
        &self,
        before: DateTime<Utc>,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let mut quiet = Vec::new();
        let mut after_id = 0;
        loop {
            let rows = select(after_id, PAGE).filter(session::Column::Status.eq(WORKING));
            let rows = rows.into_model::<SessionRow>().all(&self.pool().db).await?;
            let Some(last) = rows.last() else { return Ok(quiet) };
            after_id = last.id;
            quiet.extend(rows.into_iter().filter(|row| row.last_webhook_at < Some(before)));
        }
    }

    /// The longest pause between two webhooks of a session that ended between `since` and its last
    /// webhook, if one was longer than `floor`. What a change of status ended does not count: it was
    /// no pause but an interruption.
    ///
    /// Looks every `floor` back from the last one, which no such pause escapes, and skips what lies
    /// within a pause: the number of statements depends on the time alone.
    pub async fn longest_pause(
        &self,
        row: &SessionRow,
        since: DateTime<Utc>,
        floor: Duration,
    ) -> Result<Duration, StoreError> {
        let Some(mut at) = row.last_webhook_at else { return Ok(Duration::ZERO) };
        let mut longest = floor;
        while at > since {
            let point = at - floor;
            let Some((before, _)) = self.beside(row, point, Order::Desc).await? else { break };
            let after = self.beside(row, point, Order::Asc).await?;
            if let Some((after, event_type)) = after
                && event_type != STATUS_EVENT
            {
                longest = longest.max((after - before).to_std().unwrap_or_default());
            }
            at = before;
        }
        Ok(longest)
    }

    /// The webhook of a session next to a time: up to it when descending, else after it.
    async fn beside(
        &self,
        row: &SessionRow,
        at: DateTime<Utc>,
        order: Order,
    ) -> Result<Option<(DateTime<Utc>, String)>, StoreError> {
        let received_at = webhook::Column::ReceivedAt;
        let side = if order == Order::Desc { received_at.lte(at) } else { received_at.gt(at) };
        let found = webhook::Entity::find()
            .select_only()
            .columns([received_at, webhook::Column::EventType])
            .filter(webhook::Column::Source.eq(&row.source))
            .filter(webhook::Column::Session.eq(&row.name))
            .filter(webhook::Column::WebhookId.not_like(made_here()))
            .filter(side)
            .order_by(received_at, order)
            .limit(1);
        Ok(found.into_tuple().one(&self.pool().db).await?)
    }

    /// When the last webhooks of a session were told, by WAHA's clock; one that is ahead by more than an hour counts as
    /// an hour ahead.
    pub async fn last_told_at(&self, session_id: i64) -> Result<Option<DateTime<Utc>>, StoreError> {
        let pool = self.pool();
        let found = session::Entity::find_by_id(session_id).one(&pool.db).await?;
        let Some(found) = found else { return Ok(None) };
        let last = webhook::Entity::find()
            .select_only()
            .columns([webhook::Column::WebhookAt, webhook::Column::ReceivedAt])
            .filter(webhook::Column::Source.eq(found.source))
            .filter(webhook::Column::Session.eq(found.name))
            .filter(webhook::Column::WebhookId.not_like(made_here()))
            .order_by_desc(webhook::Column::ReceivedAt)
            .limit(LAST_TOLD);
        let last: Vec<(DateTime<Utc>, DateTime<Utc>)> = last.into_tuple().all(&pool.db).await?;
        let told =
            |(told, received): (DateTime<Utc>, DateTime<Utc>)| Ord::min(told, received + AHEAD_MAX);
        Ok(last.into_iter().map(told).max())
    }
}

/// A page of them by their ids.
fn select(after_id: i64, limit: u64) -> sea_orm::Select<session::Entity> {
    let page = reports().filter(session::Column::Id.gt(after_id));
    page.order_by_asc(session::Column::Id).limit(limit)
}

fn reports() -> sea_orm::Select<session::Entity> {
    session::Entity::find()
        .select_only()
        .columns([session::Column::Id, session::Column::Source, session::Column::Name])
        .columns([session::Column::Status, session::Column::StatusAt])
        .column_as(Expr::from(last_webhook_at()), "last_webhook_at")
}

/// What was made from WAHA's list is no sign of life: it is left out. It stands in the ledger under the times of its
/// messages, so as many rows are read at most as were missing in the last silence.
fn made_here() -> String {
    format!("{BACKFILL_PREFIX}%")
}

/// The end of the index, not a maximum: MariaDB would read all of a session for that.
fn last_webhook_at() -> SelectStatement {
    let of_webhook = |column: webhook::Column| Expr::col((webhook::Entity, column));
    let of_session = |column: session::Column| Expr::col((session::Entity, column));
    Query::select()
        .expr(of_webhook(webhook::Column::ReceivedAt))
        .from(webhook::Entity)
        .and_where(of_webhook(webhook::Column::Source).eq(of_session(session::Column::Source)))
        .and_where(of_webhook(webhook::Column::Session).eq(of_session(session::Column::Name)))
        .and_where(of_webhook(webhook::Column::WebhookId).not_like(made_here()))
        .order_by((webhook::Entity, webhook::Column::ReceivedAt), Order::Desc)
        .limit(1)
        .take()
}
