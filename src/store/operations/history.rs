//! Reads the ledger: which webhooks ended how. Called by `renormalize` and the `webhooks` command.
//!
//! Rows are read page by page and without their bodies, whose length they tell: bodies of up to
//! some megabytes are loaded a few at a time (`store/bodies`). Nothing here writes.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use clap::Args;
use sea_orm::sea_query::{Condition, Expr, Func};
use sea_orm::{
    ColumnTrait, DbBackend, DeriveActiveEnum, EntityTrait, EnumIter, FromQueryResult, JoinType,
    Order, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use entity::webhook_events::{Column, Entity};
use entity::{dead_letters as letters, webhook_duplicates as duplicates};

use super::naming::NamedInBodies;
use super::page::{RowPage, SINCE};
use crate::clock::parse_time;
use crate::store::Store;
use crate::store::bodies::{is_packed, length, packed};
use crate::store::sql::error::StoreError;
use crate::strict_json::names;
use crate::webhook::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// Repetitions of a webhook that are told.
const REPETITIONS_MAX: u64 = 50;

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

    /// The outcome of a name; none of any other, such as that of repetitions.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Applied, Self::Ignored, Self::DeadLettered].into_iter().find(|it| it.name() == name)
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
    /// Only with this id of WAHA's, such as `evt_01kb3…`.
    #[arg(long = "webhook-id", value_name = "ID")]
    #[param(rename = "webhook_id")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub webhook_ids: Vec<String>,
    /// Only those whose stored body names this message, by all or a part of its id.
    #[arg(long = "message", value_name = "ID")]
    #[param(rename = "message")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<String>,
    /// Only those whose stored body names this chat, such as `12025550142@c.us`.
    #[arg(long = "chat", value_name = "CHAT")]
    #[param(rename = "chat")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chats: Vec<String>,
    /// Only those whose stored body names this person, by a number or an id.
    #[arg(long = "person", value_name = "PERSON")]
    #[param(rename = "person")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<String>,
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

    /// Whether bodies have to be read for it.
    pub fn names_in_bodies(&self) -> bool {
        ![&self.messages, &self.chats, &self.persons].into_iter().all(Vec::is_empty)
    }

    /// As JSON, for the audit log.
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The filter in SQL.
    pub(super) fn condition(&self, backend: DbBackend) -> Condition {
        let Self {
            ids,
            sources,
            sessions,
            events,
            outcomes,
            reasons,
            webhook_ids,
            messages: _,
            chats: _,
            persons: _,
            since,
            until,
            normalizer_below,
        } = self;
        let any_of =
            |column: Column, texts: &[String]| (!texts.is_empty()).then(|| column.is_in(texts));
        let in_bodies = NamedInBodies::of(self).condition(backend);
        let of_outcome = || Column::Outcome.is_in(outcomes.iter().map(|it| it.name()));
        Condition::all()
            .add_option((!ids.is_empty()).then(|| Column::Id.is_in(ids.iter().copied())))
            .add_option(any_of(Column::Source, sources))
            .add_option(any_of(Column::Session, sessions))
            .add_option(any_of(Column::EventType, events))
            .add_option((!outcomes.is_empty()).then(of_outcome))
            .add_option(any_of(Column::Reason, reasons))
            .add_option(any_of(Column::WebhookId, webhook_ids))
            .add_option(in_bodies)
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
    /// Whether its body is packed, so that no statement finds anything in it.
    #[serde(skip)]
    pub(super) is_packed: bool,
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

/// An accepted request that brought a webhook again.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Repetition {
    /// Key of its row.
    pub id: i64,
    /// When the door took it in.
    pub received_at: DateTime<Utc>,
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

impl LedgerGroup {
    /// The group that a row is in, without any row.
    pub(super) fn of(row: &LedgerRow) -> Self {
        let event_type = row.event_type.clone();
        Self { event_type, outcome: row.outcome, total: 0, with_body: 0 }
    }
}

impl Store {
    /// A page of rows, by id: oldest first when ascending.
    pub async fn history(
        &self,
        filter: &LedgerFilter,
        page: RowPage,
        order: Order,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        if filter.names_in_bodies() {
            return self.history_named(filter, page, order).await;
        }
        self.history_rows(filter, page, order).await
    }

    /// The same, with all rows whose bodies are packed, whatever the filter names in bodies.
    pub(super) async fn history_rows(
        &self,
        filter: &LedgerFilter,
        page: RowPage,
        order: Order,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let backend = self.dialect.backend();
        let rows = Entity::find()
            .join(JoinType::LeftJoin, packed())
            .filter(filter.condition(backend))
            .filter(Column::Id.gt(page.after_id))
            .filter(Column::Id.lte(page.last_id))
            .select_only()
            .columns([Column::Id, Column::Source, Column::Session, Column::EventType])
            .columns([Column::WebhookId, Column::Receipt, Column::Outcome, Column::Reason])
            .columns([Column::Attempts, Column::NormalizerVersion, Column::WebhookAt])
            .columns([Column::ReceivedAt, Column::ProcessedAt])
            .column_as(length(backend), "body_bytes")
            .column_as(is_packed(), "is_packed")
            .order_by(Column::Id, order)
            .limit(page.limit);
        Ok(rows.into_model::<LedgerRow>().all(&self.reading()).await?)
    }

    /// Counts rows by event type and outcome.
    pub async fn history_groups(
        &self,
        filter: &LedgerFilter,
    ) -> Result<Vec<LedgerGroup>, StoreError> {
        if filter.names_in_bodies() {
            return self.groups_named(filter).await;
        }
        let has_body = Condition::any().add(Column::Body.is_not_null()).add(is_packed());
        let with_body = Expr::case(has_body, 1);
        let groups = Entity::find()
            .join(JoinType::LeftJoin, packed())
            .filter(filter.condition(self.dialect.backend()))
            .select_only()
            .columns([Column::EventType, Column::Outcome])
            .column_as(Column::Id.count(), "total")
            .column_as(Expr::from(Func::count(with_body)), "with_body")
            .group_by(Column::EventType)
            .group_by(Column::Outcome)
            .order_by_asc(Column::EventType)
            .order_by_asc(Column::Outcome);
        Ok(groups.into_model::<LedgerGroup>().all(&self.reading()).await?)
    }

    /// The accepted requests that brought a webhook again, oldest first.
    pub async fn repetitions_of(&self, id: i64) -> Result<Vec<Repetition>, StoreError> {
        let rows = duplicates::Entity::find()
            .select_only()
            .columns([duplicates::Column::Id, duplicates::Column::ReceivedAt])
            .filter(duplicates::Column::WebhookEventId.eq(id))
            .order_by_asc(duplicates::Column::Id)
            .limit(REPETITIONS_MAX);
        Ok(rows.into_model::<Repetition>().all(&self.reading()).await?)
    }

    /// When each of these webhooks came again, oldest first.
    pub async fn repeated_at(
        &self,
        ids: &[i64],
    ) -> Result<HashMap<i64, Vec<DateTime<Utc>>>, StoreError> {
        use duplicates::Column;
        let rows: Vec<(i64, DateTime<Utc>)> = duplicates::Entity::find()
            .select_only()
            .columns([Column::WebhookEventId, Column::ReceivedAt])
            .filter(Column::WebhookEventId.is_in(ids.iter().copied()))
            .order_by_asc(Column::Id)
            .into_tuple()
            .all(&self.reading())
            .await?;
        let mut repeated = HashMap::<i64, Vec<DateTime<Utc>>>::new();
        for (id, at) in rows {
            repeated.entry(id).or_default().push(at);
        }
        Ok(repeated)
    }

    /// The number of the dead letter that a webhook is or was.
    pub async fn dead_letter_of(&self, row: &LedgerRow) -> Result<Option<i64>, StoreError> {
        use letters::Column;
        let found = letters::Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Column::Source.eq(&row.source))
            .filter(Column::Session.eq(&row.session))
            .filter(Column::EventType.eq(&row.event_type))
            .filter(Column::WebhookId.eq(&row.webhook_id));
        Ok(found.into_tuple().one(&self.reading()).await?)
    }

    /// The newest row's id; 0 in an empty ledger.
    pub async fn history_end(&self) -> Result<i64, StoreError> {
        let newest = self.history(&LedgerFilter::default(), RowPage::first(1), Order::Desc).await?;
        Ok(newest.first().map_or(0, |row| row.id))
    }
}
