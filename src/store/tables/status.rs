//! `waha_session_statuses`: what was told once stays.

use chrono::{DateTime, Utc};
use sea_orm::Value;

use super::cut;
use crate::change::StatusPoint;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::upsert::Upsert;

pub(in crate::store) fn upsert(dialect: Dialect) -> Upsert {
    const COLUMNS: [&str; 4] = ["session_id", "at", "status", "updated_at"];
    Upsert::new(dialect, "waha_session_statuses", &["session_id", "at", "status"], &COLUMNS)
}

pub(in crate::store) fn row(
    session_id: i64,
    point: &StatusPoint,
    now: DateTime<Utc>,
) -> Vec<Value> {
    vec![session_id.into(), point.at.into(), cut(&point.status, 32), now.into()]
}
