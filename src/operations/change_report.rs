//! A change of the feed as applications are told it: by the admin API, the exchange and webhooks alike.

use chrono::{DateTime, Utc};
use entity::waha_changes;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::operations::consumers::SessionName;
use crate::store::operations::feed::ChangeWithRow;

/// A change.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub struct ChangeReport {
    /// Place in the feed.
    pub position: i64,
    /// What happened; says which table `row_id` is of.
    pub kind: String,
    /// WAHA server of the session.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// Row of `waha_sessions`.
    pub session_id: i64,
    /// Row of `waha_chats`, if it belongs to one.
    pub chat_id: Option<i64>,
    /// Row that changed.
    pub row_id: i64,
    /// What WAHA calls it.
    pub natural_key: String,
    /// When it was written.
    pub changed_at: DateTime<Utc>,
    /// Where rows are told: the row as it is now; null if it is gone or lists don't show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable)]
    pub row: Option<Value>,
    /// Where rows are told, of a message that gave way: the row that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<i64>,
}

impl ChangeReport {
    /// Without its row.
    pub fn new(change: waha_changes::Model, session: SessionName) -> Self {
        let waha_changes::Model {
            position,
            kind,
            session_id,
            chat_id,
            row_id,
            natural_key,
            changed_at,
        } = change;
        let SessionName { source, name: session } = session;
        Self {
            position,
            kind,
            source,
            session,
            session_id,
            chat_id,
            row_id,
            natural_key,
            changed_at,
            row: None,
            merged_into: None,
        }
    }

    /// With its row.
    pub fn with_row(told: ChangeWithRow, session: SessionName) -> Self {
        let ChangeWithRow { change, row, merged_into } = told;
        Self { row: Some(row.unwrap_or_default()), merged_into, ..Self::new(change, session) }
    }
}
