//! Reads the ledger: which webhooks ended how, and their stored bodies. Called by `renormalize` and
//! the `webhooks` command.
//!
//! Rows are read page by page and without their bodies, whose length they tell: bodies of up to
//! some megabytes are loaded a few at a time. Nothing here writes.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func};
use sea_orm::{
    ColumnTrait, DbBackend, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use entity::webhook_events::{Column, Entity};

use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// An outcome that a ledger row can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RowOutcome)]
pub enum LedgerOutcome {
    /// Its changes are in the tables.
    Applied,
    /// It told nothing for our tables.
    Ignored,
    /// It is a dead letter.
    DeadLettered,
}

impl LedgerOutcome {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ignored => "ignored",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

/// Which rows; what is empty or none does not restrict.
#[derive(Clone, Debug, Default)]
pub struct LedgerFilter {
    /// Only these rows.
    pub ids: Vec<i64>,
    /// Only from these WAHA servers.
    pub sources: Vec<String>,
    /// Only of these sessions.
    pub sessions: Vec<String>,
    /// Only of these event types.
    pub event_types: Vec<String>,
    /// Only with these outcomes.
    pub outcomes: Vec<LedgerOutcome>,
    /// Only with these reasons.
    pub reasons: Vec<String>,
    /// Only what the door took in at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only what the door took in before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only what a normalizer below this version read.
    pub normalizer_below: Option<i32>,
    /// Only ids above this one: the next page.
    pub after_id: i64,
    /// Only ids up to this one.
    pub last_id: Option<i64>,
}

impl LedgerFilter {
    /// As JSON, for the audit log.
    pub fn to_json(&self) -> String {
        let outcomes: Vec<&str> = self.outcomes.iter().map(|outcome| outcome.name()).collect();
        let mut json = serde_json::json!({
            "ids": self.ids, "sources": self.sources, "sessions": self.sessions,
            "events": self.event_types, "outcomes": outcomes, "reasons": self.reasons,
            "since": self.since, "until": self.until, "normalizer_below": self.normalizer_below,
        });
        if let Some(fields) = json.as_object_mut() {
            fields.retain(|_, value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                _ => true,
            });
        }
        json.to_string()
    }
}

/// A row of the ledger without its body.
#[derive(Clone, Debug, FromQueryResult, Serialize, ToSchema)]
#[schema(as = WebhookRow)]
pub struct LedgerRow {
    /// Key of the row.
    pub id: i64,
    /// Configured WAHA server that sent it.
    pub source: String,
    /// WhatsApp account.
    pub session: String,
    /// WAHA's name of what happened.
    pub event_type: String,
    /// The webhook's id.
    pub webhook_id: String,
    /// Which acceptance made the row.
    #[serde(skip)]
    pub receipt: i64,
    /// `applied`, `ignored` or `dead_lettered`.
    pub outcome: String,
    /// Why, for the last two.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: i32,
    /// Which normalizer read it last.
    pub normalizer_version: i32,
    /// Webhook time.
    pub webhook_at: DateTime<Utc>,
    /// When the door took it in.
    pub received_at: DateTime<Utc>,
    /// When it reached its outcome.
    pub processed_at: DateTime<Utc>,
    /// Length of its stored body; none when it has none.
    pub body_bytes: Option<i64>,
}

impl LedgerRow {
    /// The webhook as it was accepted, under its first receipt: applying it again doubles nothing.
    /// The ledger keeps no headers; the normalizer reads none.
    pub fn webhook(&self, body: Bytes) -> Webhook {
        Webhook::from(WebhookParts {
            key: WebhookKey {
                source: self.source.clone(),
                session: self.session.clone(),
                event_type: self.event_type.clone(),
                id: self.webhook_id.clone(),
            },
            receipt: Receipt(self.receipt),
            at_ms: self.webhook_at.timestamp_millis(),
            received_at_ms: self.received_at.timestamp_millis(),
            // A dead letter's replay settles its dead letter; this is none.
            replay: false,
            headers: Headers::new(),
            body,
        })
    }
}

/// How many rows have one event type and outcome.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct LedgerGroup {
    /// Their event type.
    pub event_type: String,
    /// Their outcome.
    pub outcome: String,
    /// All of them.
    pub total: i64,
    /// Those whose body is stored.
    pub with_body: i64,
}

impl Store {
    /// At most `limit` rows, by id: oldest first when ascending.
    pub async fn history(
        &self,
        filter: &LedgerFilter,
        order: Order,
        limit: u64,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        // Lengths have different types on each database.
        let integer = match self.dialect.backend() {
            DbBackend::MySql => "SIGNED",
            _ => "BIGINT",
        };
        let length = Func::cust("LENGTH").arg(Expr::col(Column::Body));
        let rows = narrow(Entity::find(), filter)
            .select_only()
            .columns([Column::Id, Column::Source, Column::Session, Column::EventType])
            .columns([Column::WebhookId, Column::Receipt, Column::Outcome, Column::Reason])
            .columns([Column::Attempts, Column::NormalizerVersion, Column::WebhookAt])
            .columns([Column::ReceivedAt, Column::ProcessedAt])
            .column_as(Expr::expr(length).cast_as(Alias::new(integer)), "body_bytes")
            .order_by(Column::Id, order)
            .limit(limit);
        Ok(rows.into_model::<LedgerRow>().all(&self.pool().db).await?)
    }

    /// Counts rows by event type and outcome.
    pub async fn history_groups(
        &self,
        filter: &LedgerFilter,
    ) -> Result<Vec<LedgerGroup>, StoreError> {
        let groups = narrow(Entity::find(), filter)
            .select_only()
            .columns([Column::EventType, Column::Outcome])
            .column_as(Column::Id.count(), "total")
            .column_as(Column::Body.count(), "with_body")
            .group_by(Column::EventType)
            .group_by(Column::Outcome)
            .order_by_asc(Column::EventType)
            .order_by_asc(Column::Outcome);
        Ok(groups.into_model::<LedgerGroup>().all(&self.pool().db).await?)
    }

    /// The newest row's id; none in an empty ledger.
    pub async fn history_end(&self) -> Result<Option<i64>, StoreError> {
        let newest = self.history(&LedgerFilter::default(), Order::Desc, 1).await?;
        Ok(newest.first().map(|row| row.id))
    }

    /// The stored bodies of these rows, as far as there are any.
    pub async fn bodies(&self, ids: &[i64]) -> Result<HashMap<i64, Bytes>, StoreError> {
        let rows: Vec<(i64, Option<Vec<u8>>)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Body])
            .filter(Column::Id.is_in(ids.iter().copied()))
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        Ok(rows.into_iter().filter_map(|(id, body)| Some((id, body?.into()))).collect())
    }
}

fn narrow(mut query: Select<Entity>, filter: &LedgerFilter) -> Select<Entity> {
    query = query.filter(Column::Id.gt(filter.after_id));
    if let Some(last) = filter.last_id {
        query = query.filter(Column::Id.lte(last));
    }
    if !filter.ids.is_empty() {
        query = query.filter(Column::Id.is_in(filter.ids.iter().copied()));
    }
    let outcomes: Vec<String> = filter.outcomes.iter().map(|it| it.name().to_owned()).collect();
    for (column, texts) in [
        (Column::Source, &filter.sources),
        (Column::Session, &filter.sessions),
        (Column::EventType, &filter.event_types),
        (Column::Outcome, &outcomes),
        (Column::Reason, &filter.reasons),
    ] {
        if !texts.is_empty() {
            query = query.filter(column.is_in(texts));
        }
    }
    if let Some(since) = filter.since {
        query = query.filter(Column::ReceivedAt.gte(since));
    }
    if let Some(until) = filter.until {
        query = query.filter(Column::ReceivedAt.lt(until));
    }
    if let Some(version) = filter.normalizer_below {
        query = query.filter(Column::NormalizerVersion.lt(version));
    }
    query
}
