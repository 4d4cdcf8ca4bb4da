//! What people and programs are told of a consumer: by the command line and by the admin API alike.

use std::fmt;

use chrono::{DateTime, Utc};
use entity::waha_changes;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::operations::consumers::ConsumerRow;
use crate::store::operations::feed::FeedState;
use crate::visible::plain;

/// Somebody whom the feed is delivered to, and how far it got.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConsumerReport {
    /// Its name in the configuration.
    pub name: String,
    /// `webhook` or `exchange`.
    pub kind: String,
    /// `active`, `paused`, `gone` (the feed no longer has what comes next), or `removed` (not in the
    /// configuration of whoever answers).
    pub state: String,
    /// Why it is not active.
    pub reason: Option<String>,
    /// The last position that it was told.
    pub position: i64,
    /// The newest of the feed.
    pub newest: i64,
    /// Positions that it was not told.
    pub behind: i64,
    /// Which feed `position` is of.
    pub epoch: String,
    /// How often it was rewound: part of the ids of what it is sent.
    pub generation: i64,
    /// When something was last delivered.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Since when nothing can be.
    pub failing_since: Option<DateTime<Utc>>,
    /// When it is next tried.
    pub next_try_at: Option<DateTime<Utc>>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

impl ConsumerReport {
    /// Of a row, while the feed is so far.
    pub fn new(row: ConsumerRow, feed: &FeedState, is_configured: bool) -> Self {
        let row = if is_configured { row } else { removed(row) };
        Self {
            behind: (feed.position - row.position).max(0),
            newest: feed.position,
            name: row.name,
            kind: row.kind,
            state: row.state,
            reason: row.reason,
            position: row.position,
            epoch: row.epoch,
            generation: row.generation,
            delivered_at: row.delivered_at,
            failing_since: row.failing_since,
            next_try_at: row.next_try_at,
            last_error: row.last_error,
        }
    }
}

/// Whoever takes a consumer out of the configuration leaves its row.
fn removed(row: ConsumerRow) -> ConsumerRow {
    let reason = "not in the configuration: `consumers remove` forgets how far it got".to_owned();
    ConsumerRow { state: "removed".to_owned(), reason: Some(reason), ..row }
}

/// A change that a consumer never gets, without what is in it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SkippedChange {
    /// Place in the feed.
    pub position: i64,
    /// What happened.
    pub kind: String,
    /// What WAHA calls the row.
    pub natural_key: String,
}

/// A consumer after a change was left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SkipReport {
    /// The consumer.
    #[serde(flatten)]
    pub consumer: ConsumerReport,
    /// What it never gets.
    pub skipped: SkippedChange,
}

impl From<&waha_changes::Model> for SkippedChange {
    fn from(change: &waha_changes::Model) -> Self {
        let waha_changes::Model { position, kind, natural_key, .. } = change;
        Self { position: *position, kind: kind.clone(), natural_key: natural_key.clone() }
    }
}

impl fmt::Display for SkippedChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, kind, natural_key } = self;
        write!(formatter, "{kind} {} at position {position}", plain(natural_key))
    }
}
