//! What the latest rows of the ledger tell of the sources' clocks. Called by `status`, which knows no
//! door: a door's own metrics tell the same.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ColumnTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;

use entity::webhook_events::{Column, Entity};

use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::webhook::clock_offset::ClockOffset;

/// Rows looked at: asking costs the same however long the history is.
const ROWS_MAX: u64 = 1000;
/// Of each source its latest ones count, so that a clock that was set right is soon believed.
const ROWS_OF_SOURCE_MAX: u32 = 20;
/// Webhooks that came so long before the latest say whether its delay is a steady one.
const EARLIER: TimeDelta = TimeDelta::minutes(5);
/// Rows among which they are looked for, at most.
const EARLIER_ROWS_MAX: i64 = 1_000_000;

/// A source whose clock disagrees with ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceClock {
    /// The configured WAHA server.
    pub source: String,
    /// How far its clock is ahead of ours, in ms; negative if it is behind.
    pub ahead_ms: i64,
}

/// The latest webhooks of one source.
#[derive(Default)]
struct Latest {
    count: u32,
    offset: ClockOffset,
    /// The first of them that was read: the newest.
    newest: Option<(i64, DateTime<Utc>)>,
}

impl Store {
    /// Sources whose latest webhooks all came with a time that can't be by our clock.
    pub async fn wrong_clocks(&self) -> Result<Vec<SourceClock>, StoreError> {
        let mut wrong = Vec::new();
        for (source, latest) in self.latest_of_sources().await? {
            let earlier = match latest.newest.filter(|_| latest.offset.may_be_behind()) {
                Some(newest) => Some(self.offset_before(&source, newest).await?),
                None => None,
            };
            if let Some(ahead_ms) = latest.offset.disagreement_ms(earlier.as_ref()) {
                wrong.push(SourceClock { source, ahead_ms });
            }
        }
        Ok(wrong)
    }

    async fn latest_of_sources(&self) -> Result<BTreeMap<String, Latest>, StoreError> {
        let rows: Vec<(i64, String, DateTime<Utc>, DateTime<Utc>)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Source, Column::WebhookAt, Column::ReceivedAt])
            .order_by(Column::Id, Order::Desc)
            .limit(ROWS_MAX)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let mut sources: BTreeMap<String, Latest> = BTreeMap::new();
        for (id, source, at, received_at) in rows {
            let latest = sources.entry(source).or_default();
            latest.newest.get_or_insert((id, received_at));
            if latest.count < ROWS_OF_SOURCE_MAX {
                latest.count += 1;
                latest.offset.add(at.timestamp_millis(), received_at.timestamp_millis());
            }
        }
        Ok(sources)
    }

    /// What the webhooks of a source told some minutes before its newest, which has this number.
    async fn offset_before(
        &self,
        source: &str,
        (newest_id, newest_at): (i64, DateTime<Utc>),
    ) -> Result<ClockOffset, StoreError> {
        let rows: Vec<(DateTime<Utc>, DateTime<Utc>)> = Entity::find()
            .select_only()
            .columns([Column::WebhookAt, Column::ReceivedAt])
            .filter(Column::Source.eq(source))
            .filter(Column::ReceivedAt.lte(newest_at - EARLIER))
            .filter(Column::Id.between(newest_id.saturating_sub(EARLIER_ROWS_MAX), newest_id))
            .order_by(Column::Id, Order::Desc)
            .limit(u64::from(ROWS_OF_SOURCE_MAX))
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let mut offset = ClockOffset::default();
        for (at, received_at) in rows {
            offset.add(at.timestamp_millis(), received_at.timestamp_millis());
        }
        Ok(offset)
    }
}
