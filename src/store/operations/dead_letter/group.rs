//! Dead letters by cause and by session. Without a filter that needs more, only the index
//! `idx_dead_letters_groups` is read.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, Order};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;

use entity::dead_letters::{Column, Entity};

use super::DeadLetterFilter;
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// Sessions and event types that are named of all groups together; all are counted.
const NAMED_MAX: u64 = 2_000;

/// Dead letters of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Group)]
pub struct DeadLetterGroup {
    /// Its name: the fingerprint.
    pub group: String,
    /// How many there are.
    pub count: u64,
    /// Why they were given up.
    pub reason: String,
    /// What they tell of.
    pub event_types: Vec<String>,
    /// Where they come from: as many as are named, those with the most first.
    pub sessions: Vec<DeadLettersOfSession>,
    /// How many sessions there are.
    pub session_count: u64,
    /// When the first of them failed first.
    pub first_failed_at: DateTime<Utc>,
    /// When the last of them failed last.
    pub last_failed_at: DateTime<Utc>,
    /// The error of the newest.
    pub error: String,
    /// The number of the newest.
    pub newest_id: i64,
}

/// How many come from one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SessionCount)]
pub struct DeadLettersOfSession {
    /// The WAHA server.
    pub source: String,
    /// The WhatsApp account.
    pub session: String,
    /// How many.
    pub count: u64,
}

/// What a filter names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Extent)]
pub struct FilterExtent {
    /// How many.
    pub count: u64,
    /// When the door took the oldest in.
    pub oldest_at: Option<DateTime<Utc>>,
    /// When the door took the newest in.
    pub newest_at: Option<DateTime<Utc>>,
    /// From which sessions, those with the most first.
    pub sessions: Vec<DeadLettersOfSession>,
    /// The newest number; nothing above it was counted.
    pub last_id: i64,
}

#[derive(FromQueryResult)]
struct GroupRow {
    fingerprint: String,
    count: i64,
    reason: String,
    session_count: i64,
    first_failed_at: DateTime<Utc>,
    last_failed_at: DateTime<Utc>,
    newest_id: i64,
}

#[derive(FromQueryResult)]
struct OriginRow {
    fingerprint: String,
    event_type: String,
    source: String,
    session: String,
    count: i64,
}

#[derive(FromQueryResult)]
struct ExtentRow {
    source: String,
    session: String,
    count: i64,
    oldest_at: DateTime<Utc>,
    newest_at: DateTime<Utc>,
    last_id: i64,
}

impl Store {
    /// Groups by cause, the largest first; at most `limit`.
    pub async fn dead_letter_groups(
        &self,
        filter: &DeadLetterFilter,
        limit: u64,
    ) -> Result<Vec<DeadLetterGroup>, StoreError> {
        let session = self.dialect.concat(&["source", "'/'", "session"]);
        let rows = self
            .groups(filter)
            .column(Column::Fingerprint)
            .column_as(Column::Id.count(), "count")
            .column_as(Column::Reason.min(), "reason")
            .column_as(Expr::cust(format!("COUNT(DISTINCT {session})")), "session_count")
            .column_as(Column::FirstFailedAt.min(), "first_failed_at")
            .column_as(Column::LastFailedAt.max(), "last_failed_at")
            .column_as(Column::Id.max(), "newest_id")
            .group_by(Column::Fingerprint)
            .order_by(Expr::col(Alias::new("count")), Order::Desc)
            .order_by_asc(Column::Fingerprint)
            .limit(limit);
        let rows = rows.into_model::<GroupRow>().all(&self.pool().db).await?;
        let mut origins = self.origins(filter, &rows).await?;
        let mut errors = self.errors(&rows).await?;
        let group = |row: GroupRow| {
            let (event_types, sessions) = origins.remove(&row.fingerprint).unwrap_or_default();
            let error = errors.remove(&row.newest_id).unwrap_or_default();
            DeadLetterGroup {
                group: row.fingerprint,
                count: row.count.unsigned_abs(),
                reason: row.reason,
                event_types,
                sessions,
                session_count: row.session_count.unsigned_abs(),
                first_failed_at: row.first_failed_at,
                last_failed_at: row.last_failed_at,
                error,
                newest_id: row.newest_id,
            }
        };
        Ok(rows.into_iter().map(group).collect())
    }

    /// How many a filter names, of what age and from where.
    pub async fn dead_letter_extent(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<FilterExtent, StoreError> {
        let rows = self
            .groups(filter)
            .columns([Column::Source, Column::Session])
            .column_as(Column::Id.count(), "count")
            .column_as(Column::ReceivedAt.min(), "oldest_at")
            .column_as(Column::ReceivedAt.max(), "newest_at")
            .column_as(Column::Id.max(), "last_id")
            .group_by(Column::Source)
            .group_by(Column::Session)
            .order_by(Expr::col(Alias::new("count")), Order::Desc);
        let mut extent = FilterExtent::default();
        for row in rows.into_model::<ExtentRow>().all(&self.pool().db).await? {
            let count = row.count.unsigned_abs();
            extent.count += count;
            extent.oldest_at = extent.oldest_at.into_iter().chain([row.oldest_at]).min();
            extent.newest_at = extent.newest_at.max(Some(row.newest_at));
            extent.last_id = extent.last_id.max(row.last_id);
            extent.sessions.push(DeadLettersOfSession {
                source: row.source,
                session: row.session,
                count,
            });
        }
        Ok(extent)
    }

    fn groups(&self, filter: &DeadLetterFilter) -> sea_orm::Select<Entity> {
        Entity::find().select_only().filter(filter.condition(self.dialect.backend()))
    }

    async fn origins(
        &self,
        filter: &DeadLetterFilter,
        groups: &[GroupRow],
    ) -> Result<HashMap<String, (Vec<String>, Vec<DeadLettersOfSession>)>, StoreError> {
        let names = groups.iter().map(|row| row.fingerprint.as_str());
        let key = [Column::Fingerprint, Column::EventType, Column::Source, Column::Session];
        let mut rows = self
            .groups(filter)
            .filter(Column::Fingerprint.is_in(names))
            .columns(key)
            .column_as(Column::Id.count(), "count");
        for column in key {
            rows = rows.group_by(column);
        }
        let rows = rows.order_by(Expr::col(Alias::new("count")), Order::Desc).limit(NAMED_MAX);
        let mut origins: HashMap<String, (Vec<String>, Vec<DeadLettersOfSession>)> = HashMap::new();
        for row in rows.into_model::<OriginRow>().all(&self.pool().db).await? {
            let (events, sessions) = origins.entry(row.fingerprint).or_default();
            if !events.contains(&row.event_type) {
                events.push(row.event_type);
            }
            let count = row.count.unsigned_abs();
            sessions.push(DeadLettersOfSession { source: row.source, session: row.session, count });
        }
        Ok(origins)
    }

    async fn errors(&self, groups: &[GroupRow]) -> Result<HashMap<i64, String>, StoreError> {
        let rows: Vec<(i64, String)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Error])
            .filter(Column::Id.is_in(groups.iter().map(|row| row.newest_id)))
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        Ok(rows.into_iter().collect())
    }
}
