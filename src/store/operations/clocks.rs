//! What the latest rows of the ledger tell of the sources' clocks. Called by `status`, which knows no
//! door: a door's own metrics tell the same.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{EntityTrait, Order, QueryOrder, QuerySelect};
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

/// A source whose clock disagrees with ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SourceClock {
    /// The configured WAHA server.
    pub source: String,
    /// How far its clock is ahead of ours, in ms; negative if it is behind.
    pub ahead_ms: i64,
}

impl Store {
    /// Sources whose latest webhooks all came with a time that can't be by our clock.
    pub async fn wrong_clocks(&self) -> Result<Vec<SourceClock>, StoreError> {
        let rows: Vec<(String, DateTime<Utc>, DateTime<Utc>)> = Entity::find()
            .select_only()
            .columns([Column::Source, Column::WebhookAt, Column::ReceivedAt])
            .order_by(Column::Id, Order::Desc)
            .limit(ROWS_MAX)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let mut offsets: BTreeMap<String, (u32, ClockOffset)> = BTreeMap::new();
        for (source, at, received_at) in rows {
            let (count, offset) = offsets.entry(source).or_default();
            if *count < ROWS_OF_SOURCE_MAX {
                *count += 1;
                offset.add(at.timestamp_millis(), received_at.timestamp_millis());
            }
        }
        let wrong = |(source, (_, offset)): (String, (u32, ClockOffset))| {
            Some(SourceClock { source, ahead_ms: offset.disagreement_ms()? })
        };
        Ok(offsets.into_iter().filter_map(wrong).collect())
    }
}
