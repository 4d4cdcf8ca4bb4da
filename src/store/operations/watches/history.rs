//! What was found of sessions and done about it, one after the other.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;
use utoipa::ToSchema;

use entity::waha_session_probes::{ActiveModel, Column, Entity, Model};

use super::WatchVerdict;
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// Longest word of WAHA's for a state that is kept.
const STATUS_CHARS_MAX: usize = 64;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// The verdict is another one than before.
    Probe,
    /// The session was given to the reconciler.
    Reconcile,
    /// Somebody was warned.
    Warn,
    /// The session was started anew.
    Restart,
}

impl ProbeKind {
    /// All that helps, in the order in which it is done.
    pub const REMEDIES: [Self; 3] = [Self::Reconcile, Self::Warn, Self::Restart];

    /// As stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Reconcile => "reconcile",
            Self::Warn => "warn",
            Self::Restart => "restart",
        }
    }
}

/// An entry of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeEntry {
    /// What it is about.
    pub kind: ProbeKind,
    /// What was found.
    pub verdict: WatchVerdict,
    /// Why it was found; of a remedy that failed, why.
    pub reason: Option<&'static str>,
    /// WAHA's word for the session's state; empty if it told none.
    pub status: String,
}

/// An entry, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionProbe {
    /// When.
    pub at: DateTime<Utc>,
    /// `probe`, `reconcile`, `warn` or `restart`.
    pub kind: String,
    /// What was found.
    pub verdict: String,
    /// Why it was found; of a remedy that failed, why.
    pub reason: Option<String>,
    /// WAHA's word for the session's state.
    pub status: Option<String>,
}

impl Store {
    /// The last entries of a session, newest first.
    pub async fn session_probes(
        &self,
        session_id: i64,
        limit: u64,
    ) -> Result<Vec<SessionProbe>, StoreError> {
        let rows = Entity::find()
            .filter(Column::SessionId.eq(session_id))
            .order_by_desc(Column::Id)
            .limit(limit);
        let rows = rows.all(&self.pool().db).await?;
        Ok(rows.into_iter().map(SessionProbe::from).collect())
    }

    /// Adds what was done to a session's history.
    pub async fn note_remedy(&self, session_id: i64, entry: ProbeEntry) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        insert(&db, session_id, &[entry], self.clock.now()).await?;
        db.commit().await
    }
}

impl From<Model> for SessionProbe {
    fn from(row: Model) -> Self {
        let Model { at, kind, verdict, reason, status, .. } = row;
        Self { at, kind, verdict, reason, status }
    }
}

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    session_id: i64,
    entries: &[ProbeEntry],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows = entries.iter().map(|entry| row(session_id, entry, now));
    Entity::insert_many(rows).exec(db).await?;
    Ok(())
}

fn row(session_id: i64, entry: &ProbeEntry, now: DateTime<Utc>) -> ActiveModel {
    let status: String = entry.status.chars().take(STATUS_CHARS_MAX).collect();
    ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        at: Set(now),
        kind: Set(entry.kind.name().to_owned()),
        verdict: Set(entry.verdict.name().to_owned()),
        reason: Set(entry.reason.map(str::to_owned)),
        status: Set((!status.is_empty()).then_some(status)),
        created_at: NotSet,
        updated_at: Set(now),
    }
}
