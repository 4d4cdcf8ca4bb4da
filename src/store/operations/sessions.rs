//! Sessions as operators see them, and when something came from them. Called by `quiet_sessions` and `admin`.
//!
//! What the ledger is asked here walks its index on session and time: a few rows, however many the
//! session has.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder,
    QuerySelect,
};

use entity::{waha_sessions as session, webhook_events as webhook};

use crate::store::Store;
use crate::store::sql::error::StoreError;

/// The status of a session that should hear from WhatsApp.
const WORKING: &str = "WORKING";
/// The status of a session that somebody must look after.
const FAILED: &str = "FAILED";
/// Tells that a session changed its status: the end of an interruption rather than of a pause.
const STATUS_EVENT: &str = "session.status";

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

    fn condition(&self) -> Condition {
        let among = |column: session::Column, names: &[String]| {
            (!names.is_empty()).then(|| column.is_in(names))
        };
        Condition::all()
            .add_option(among(session::Column::Source, &self.sources))
            .add_option(among(session::Column::Name, &self.sessions))
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

impl SessionRow {
    /// Whether somebody must look after it.
    pub fn is_failed(&self) -> bool {
        self.status.as_deref() == Some(FAILED)
    }
}

impl Store {
    /// At most `limit` sessions within reach with ids above `after_id`, in that order.
    pub async fn sessions(
        &self,
        reach: &SessionReach,
        after_id: i64,
        limit: u64,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let rows = select(after_id, limit).filter(reach.condition()).into_model::<SessionRow>();
        Ok(rows.all(&self.pool().db).await?)
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
            .filter(side)
            .order_by(received_at, order)
            .limit(1);
        Ok(found.into_tuple().one(&self.pool().db).await?)
    }
}

fn select(after_id: i64, limit: u64) -> sea_orm::Select<session::Entity> {
    session::Entity::find()
        .select_only()
        .columns([session::Column::Id, session::Column::Source, session::Column::Name])
        .columns([session::Column::Status, session::Column::StatusAt])
        .column_as(Expr::from(last_webhook_at()), "last_webhook_at")
        .filter(session::Column::Id.gt(after_id))
        .order_by_asc(session::Column::Id)
        .limit(limit)
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
        .order_by((webhook::Entity, webhook::Column::ReceivedAt), Order::Desc)
        .limit(1)
        .take()
}
