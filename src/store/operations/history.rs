//! Reads the ledger: which webhooks ended how, and their stored bodies. Called by `renormalize` and
//! the `webhooks` command.
//!
//! Rows are read page by page and without their bodies, whose length they tell: bodies of up to
//! some megabytes are loaded a few at a time. Nothing here writes.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use clap::Args;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Func};
use sea_orm::{
    ColumnTrait, DbBackend, DeriveActiveEnum, EntityTrait, EnumIter, FromQueryResult, Order,
    QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use entity::webhook_events::{Column, Entity};

use super::page::{RowPage, SINCE};
use crate::clock::parse_time;
use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::strict_json::names;
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// An outcome that a ledger row can have.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    EnumIter,
    DeriveActiveEnum,
    clap::ValueEnum,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
#[schema(as = RowOutcome)]
pub enum LedgerOutcome {
    /// Its changes are in the tables.
    #[sea_orm(string_value = "applied")]
    Applied,
    /// It told nothing for our tables.
    #[sea_orm(string_value = "ignored")]
    Ignored,
    /// It is a dead letter.
    #[sea_orm(string_value = "dead_lettered")]
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

/// Which webhooks; what is empty or none does not restrict, and of a list any value will do.
#[derive(
    Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams,
)]
#[schema(as = WebhookFilter)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerFilter {
    /// Only these numbers.
    #[arg(long = "id", value_name = "ID")]
    #[param(rename = "id")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<i64>,
    /// Only from this WAHA server.
    #[arg(long = "source", value_name = "SOURCE")]
    #[param(rename = "source")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Only of this session.
    #[arg(long = "session", value_name = "SESSION")]
    #[param(rename = "session")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<String>,
    /// Only of this event type, such as `message.any`.
    #[arg(long = "event", value_name = "EVENT")]
    #[param(rename = "event")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Only with this outcome.
    #[arg(long = "outcome", value_name = "OUTCOME", value_enum)]
    #[param(rename = "outcome", inline)]
    #[schema(inline)]
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "names")]
    pub outcomes: Vec<LedgerOutcome>,
    /// Only with this reason, such as `unknown_event`.
    #[arg(long = "reason", value_name = "REASON")]
    #[param(rename = "reason")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Only what arrived at this time or later.
    #[arg(long, value_name = "TIME", value_parser = parse_time, help = SINCE)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Only what arrived before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Only what a normalizer below this version read.
    #[arg(long = "normalizer-version", value_name = "VERSION")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalizer_below: Option<i32>,
}

impl LedgerFilter {
    /// Whether anything restricts it.
    pub fn is_named(&self) -> bool {
        *self != Self::default()
    }

    /// As JSON, for the audit log.
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The filter in SQL.
    fn condition(&self) -> Condition {
        let Self {
            ids,
            sources,
            sessions,
            events,
            outcomes,
            reasons,
            since,
            until,
            normalizer_below,
        } = self;
        let any_of =
            |column: Column, texts: &[String]| (!texts.is_empty()).then(|| column.is_in(texts));
        let of_outcome = || Column::Outcome.is_in(outcomes.iter().map(|it| it.name()));
        Condition::all()
            .add_option((!ids.is_empty()).then(|| Column::Id.is_in(ids.iter().copied())))
            .add_option(any_of(Column::Source, sources))
            .add_option(any_of(Column::Session, sessions))
            .add_option(any_of(Column::EventType, events))
            .add_option((!outcomes.is_empty()).then(of_outcome))
            .add_option(any_of(Column::Reason, reasons))
            .add_option(since.map(|since| Column::ReceivedAt.gte(since)))
            .add_option(until.map(|until| Column::ReceivedAt.lt(until)))
            .add_option(normalizer_below.map(|it| Column::NormalizerVersion.lt(it)))
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
    /// How it ended.
    #[schema(inline)]
    pub outcome: LedgerOutcome,
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
    pub outcome: LedgerOutcome,
    /// All of them.
    pub total: i64,
    /// Those whose body is stored.
    pub with_body: i64,
}

impl Store {
    /// A page of rows, by id: oldest first when ascending.
    pub async fn history(
        &self,
        filter: &LedgerFilter,
        page: RowPage,
        order: Order,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        // Lengths have different types on each database.
        let integer = match self.dialect.backend() {
            DbBackend::MySql => "SIGNED",
            _ => "BIGINT",
        };
        let length = Func::cust("LENGTH").arg(Expr::col(Column::Body));
        let rows = Entity::find()
            .filter(filter.condition())
            .filter(Column::Id.gt(page.after_id))
            .filter(Column::Id.lte(page.last_id))
            .select_only()
            .columns([Column::Id, Column::Source, Column::Session, Column::EventType])
            .columns([Column::WebhookId, Column::Receipt, Column::Outcome, Column::Reason])
            .columns([Column::Attempts, Column::NormalizerVersion, Column::WebhookAt])
            .columns([Column::ReceivedAt, Column::ProcessedAt])
            .column_as(Expr::expr(length).cast_as(Alias::new(integer)), "body_bytes")
            .order_by(Column::Id, order)
            .limit(page.limit);
        Ok(rows.into_model::<LedgerRow>().all(&self.pool().db).await?)
    }

    /// Counts rows by event type and outcome.
    pub async fn history_groups(
        &self,
        filter: &LedgerFilter,
    ) -> Result<Vec<LedgerGroup>, StoreError> {
        let groups = Entity::find()
            .filter(filter.condition())
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

    /// The newest row's id; 0 in an empty ledger.
    pub async fn history_end(&self) -> Result<i64, StoreError> {
        let newest = self.history(&LedgerFilter::default(), RowPage::first(1), Order::Desc).await?;
        Ok(newest.first().map_or(0, |row| row.id))
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
