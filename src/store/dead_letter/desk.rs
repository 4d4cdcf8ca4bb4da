//! What an operator asks of dead letters: list, get, discard, and take for a replay.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::dead_letters::{Column, Entity, Model};

use super::TABLE;
use crate::queue::Failure;
use crate::store::{Store, StoreError};
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// Where a dead letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum State {
    /// Waits for an operator.
    Pending,
    /// Published again, not yet processed.
    Replaying,
    /// Applied or ignored after a replay.
    Replayed,
    /// Given up by an operator.
    Discarded,
}

impl State {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Replaying => "replaying",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }
}

/// Which dead letters.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these rows.
    pub ids: Vec<i64>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only with this reason.
    pub reason: Option<String>,
    /// Only with ids above this one: the next page.
    pub after_id: i64,
    /// At most so many.
    pub limit: u64,
}

/// A dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The row.
    pub row: Model,
    /// Every failed attempt, oldest first.
    pub failures: Vec<Failure>,
    /// The request headers that were kept.
    pub headers: Headers,
}

impl From<Model> for DeadLetter {
    fn from(row: Model) -> Self {
        let failures = row.failures.lines().filter_map(|line| serde_json::from_str(line).ok());
        let headers: BTreeMap<_, _> = serde_json::from_str(&row.headers).unwrap_or_default();
        Self { failures: failures.collect(), headers, row }
    }
}

impl DeadLetter {
    /// The webhook as it was accepted, to be published again under its first receipt.
    pub fn webhook(&self) -> Webhook {
        let row = &self.row;
        Webhook::from(WebhookParts {
            key: WebhookKey {
                source: row.source.clone(),
                session: row.session.clone(),
                event_type: row.event_type.clone(),
                id: row.webhook_id.clone(),
            },
            receipt: Receipt(row.receipt),
            at_ms: row.webhook_at.timestamp_millis(),
            received_at_ms: row.received_at.timestamp_millis(),
            replay: true,
            headers: self.headers.clone(),
            body: Bytes::from(row.body.clone()),
        })
    }
}

impl Store {
    /// Dead letters in the order of their ids.
    pub async fn dead_letters(&self, filter: &Filter) -> Result<Vec<DeadLetter>, StoreError> {
        let mut query = Entity::find().filter(Column::Id.gt(filter.after_id));
        if !filter.ids.is_empty() {
            query = query.filter(Column::Id.is_in(filter.ids.iter().copied()));
        }
        if let Some(state) = filter.state {
            query = query.filter(Column::State.eq(state.name()));
        }
        if let Some(reason) = &filter.reason {
            query = query.filter(Column::Reason.eq(reason));
        }
        let rows = query.order_by_asc(Column::Id).limit(filter.limit).all(&self.db).await?;
        Ok(rows.into_iter().map(DeadLetter::from).collect())
    }

    /// Says that a dead letter is being replayed. False when it is in neither `Pending` nor
    /// `Replaying` any more.
    pub async fn begin_replay(&self, id: i64, by: &str) -> Result<bool, StoreError> {
        let replays = Expr::col(Alias::new("replays")).add(1);
        let values = [("replays", replays), ("resolved_by", Expr::val(by))];
        self.resolve(id, &[State::Pending, State::Replaying], State::Replaying, values).await
    }

    /// Gives a dead letter up. False when it is not pending.
    pub async fn discard(&self, id: i64, by: &str, note: &str) -> Result<bool, StoreError> {
        let values = [("resolved_by", Expr::val(by)), ("note", Expr::val(note))];
        self.resolve(id, &[State::Pending], State::Discarded, values).await
    }

    async fn resolve<const N: usize>(
        &self,
        id: i64,
        from: &[State],
        to: State,
        values: [(&'static str, SimpleExpr); N],
    ) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        let now: DateTime<Utc> = self.clock.now();
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .values(values.map(|(column, value)| (Alias::new(column), value)))
            .values([
                (Alias::new("state"), Expr::val(to.name())),
                (Alias::new("resolved_at"), Expr::val(now)),
                (Alias::new("updated_at"), Expr::val(now)),
            ])
            .and_where(Expr::col(Alias::new("id")).eq(id))
            .and_where(Expr::col(Alias::new("state")).is_in(from.iter().map(|state| state.name())));
        Ok(self.db.execute(&update).await?.rows_affected() == 1)
    }
}
