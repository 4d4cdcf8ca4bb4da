//! Whether sessions are believed to live: who looks next, what was found, what was done.
//!
//! Called by `watchdog`, `monitor`, `admin` and `cli`. A row for each session (`waha_session_watches`), and a history of
//! what changed (`waha_session_probes`). Invariant: of several workers one looks at a session at a time: who takes it
//! moves the time of the next look, and writes only if nobody took it since.

mod counters;
mod history;
mod restart;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;

use entity::waha_session_watches::{ActiveModel, Column, Entity};
use entity::waha_sessions;

use crate::store::Store;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

pub use counters::{MessageCounters, SessionCounters, ToldMessages};
pub use entity::waha_session_watches::Model as WatchRow;
pub use history::{ProbeEntry, ProbeKind, SessionProbe};

/// Sessions that are given rows at a time.
const PAGE: u64 = 1_000;

/// What a probe finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchVerdict {
    /// Something witnesses that it works.
    Alive,
    /// It says so itself, and nothing speaks for or against it.
    Unwitnessed,
    /// It says that it works, and does not.
    Dead,
    /// It works, and its webhooks do not arrive here.
    Deaf,
    /// Somebody must look after it.
    Person,
    /// It does not run here.
    Idle,
    /// WAHA did not say.
    Unknown,
}

impl WatchVerdict {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Alive,
        Self::Unwitnessed,
        Self::Dead,
        Self::Deaf,
        Self::Person,
        Self::Idle,
        Self::Unknown,
    ];

    /// As stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Unwitnessed => "unwitnessed",
            Self::Dead => "dead",
            Self::Deaf => "deaf",
            Self::Person => "person",
            Self::Idle => "idle",
            Self::Unknown => "unknown",
        }
    }

    /// Reads what is stored.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Whether something must be done.
    pub fn is_trouble(self) -> bool {
        match self {
            Self::Dead | Self::Deaf | Self::Person => true,
            Self::Alive | Self::Unwitnessed | Self::Idle | Self::Unknown => false,
        }
    }
}

/// A session that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// What is known.
    pub row: WatchRow,
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
}

/// A session that somebody is warned of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TroubledSession {
    /// Key of its row.
    pub id: i64,
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// `dead` (it says WORKING and does not work), `deaf` (its webhooks do not arrive), `person` (somebody must look
    /// after it).
    pub verdict: String,
    /// What says so: a word of a closed set.
    pub reason: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it was last looked at.
    pub probed_at: Option<DateTime<Utc>>,
    /// Restarts by this program that WAHA took, since it last lived for a day.
    pub restarts: i32,
}

impl Store {
    /// Gives a row to each session of these sources that has none.
    pub async fn ensure_watches(&self, sources: &[String]) -> Result<(), StoreError> {
        let watched = Query::select().column(Column::SessionId).from(Entity).take();
        let new: Vec<i64> = waha_sessions::Entity::find()
            .select_only()
            .column(waha_sessions::Column::Id)
            .filter(waha_sessions::Column::Source.is_in(sources))
            .filter(waha_sessions::Column::Id.not_in_subquery(watched))
            .order_by_asc(waha_sessions::Column::Id)
            .limit(PAGE)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        if new.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let rows: Vec<ActiveModel> = new.into_iter().map(|id| first_row(id, now)).collect();
        let _turn = self.turn().await;
        let db = self.begin().await?;
        Upsert::<Entity>::new(self.dialect, &[Column::SessionId]).run(&db, rows).await?;
        db.commit().await
    }

    /// Sessions of these sources that are to be looked at now, those first that have waited longest.
    pub async fn due_watches(&self, sources: &[String]) -> Result<Vec<Watch>, StoreError> {
        let due = Entity::find()
            .find_also_related(waha_sessions::Entity)
            .filter(Column::DueAt.lte(self.clock.now()))
            .filter(waha_sessions::Column::Source.is_in(sources))
            .order_by_asc(Column::DueAt)
            .order_by_asc(Column::Id)
            .limit(PAGE);
        let due = due.all(&self.pool().db).await?;
        let watch = |(row, session): (WatchRow, Option<waha_sessions::Model>)| {
            let waha_sessions::Model { source, name: session, .. } = session?;
            Some(Watch { row, source, session })
        };
        Ok(due.into_iter().filter_map(watch).collect())
    }

    /// Takes a session to look at it, as it is by now: what was read before may lack what a worker that took it
    /// earlier has found meanwhile. None if another worker has taken it. It is looked at next at `due_at`.
    pub async fn take_watch(
        &self,
        watch: Watch,
        due_at: DateTime<Utc>,
    ) -> Result<Option<Watch>, StoreError> {
        let lease_number = watch.row.lease_number + 1;
        let taken = ActiveModel {
            due_at: Set(due_at),
            lease_number: Set(lease_number),
            updated_at: Set(self.clock.now()),
            ..ActiveModel::default()
        };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let this = held(watch.row.id, watch.row.lease_number);
        let changed = Entity::update_many().set(taken).filter(this).exec(&db).await?.rows_affected;
        let row = match changed {
            1 => Entity::find_by_id(watch.row.id).one(&db).await?,
            _ => None,
        };
        db.commit().await?;
        Ok(row.map(|row| Watch { row, ..watch }))
    }

    /// Writes what was found, with what the history is to have of it; false if another worker has taken the session
    /// since.
    pub async fn note_watch(
        &self,
        row: &WatchRow,
        entries: &[ProbeEntry],
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let this = held(row.id, row.lease_number);
        let found = found(row, now);
        let changed = Entity::update_many().set(found).filter(this).exec(&db).await?.rows_affected;
        if changed == 0 {
            db.rollback().await?;
            return Ok(false);
        }
        history::insert(&db, row.session_id, entries, now).await?;
        db.commit().await?;
        Ok(true)
    }

    /// Sessions that somebody is warned of, those first that have been so for longest.
    pub async fn troubled_sessions(&self) -> Result<Vec<TroubledSession>, StoreError> {
        let rows = Entity::find()
            .find_also_related(waha_sessions::Entity)
            .filter(Column::WarnedAt.is_not_null())
            .order_by_asc(Column::SinceAt)
            .order_by_asc(Column::Id);
        let rows = rows.all(&self.pool().db).await?;
        Ok(rows.into_iter().filter_map(|(row, session)| Some(troubled(row, session?))).collect())
    }

    /// How many sessions somebody is warned of, by verdict.
    pub async fn trouble_counts(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let counted = Entity::find()
            .select_only()
            .column(Column::Told)
            .column_as(Column::Id.count(), "count")
            .filter(Column::WarnedAt.is_not_null())
            .group_by(Column::Told);
        let counted: Vec<(Option<String>, i64)> = counted.into_tuple().all(&self.pool().db).await?;
        Ok(counted.into_iter().map(|(told, count)| (told.unwrap_or_default(), count)).collect())
    }

    /// Warns of nothing in sources that are not watched any more.
    pub async fn forget_watches_but(&self, sources: &[String]) -> Result<(), StoreError> {
        let others = Query::select()
            .column(waha_sessions::Column::Id)
            .from(waha_sessions::Entity)
            .and_where(waha_sessions::Column::Source.is_not_in(sources))
            .take();
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let of_others = Column::SessionId.in_subquery(others);
        Entity::delete_many().filter(of_others).exec(&db).await?;
        db.commit().await
    }
}

fn held(id: i64, lease_number: i64) -> Condition {
    Condition::all().add(Column::Id.eq(id)).add(Column::LeaseNumber.eq(lease_number))
}

fn first_row(session_id: i64, now: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        session_id: Set(session_id),
        verdict: Set(WatchVerdict::Unknown.name().to_owned()),
        reason: Set(None),
        since_at: Set(now),
        times: Set(0),
        told: Set(None),
        warned_at: Set(None),
        probed_at: Set(None),
        due_at: Set(now),
        lease_number: Set(0),
        emitted: Set(None),
        emitted_at: Set(None),
        counters: Set(None),
        reconciled_at: Set(None),
        restarts: Set(0),
        restarted_at: Set(None),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

/// All that a look decides.
fn found(row: &WatchRow, now: DateTime<Utc>) -> ActiveModel {
    let row = row.clone();
    ActiveModel {
        verdict: Set(row.verdict),
        reason: Set(row.reason),
        since_at: Set(row.since_at),
        times: Set(row.times),
        told: Set(row.told),
        warned_at: Set(row.warned_at),
        probed_at: Set(Some(now)),
        emitted: Set(row.emitted),
        emitted_at: Set(row.emitted_at),
        counters: Set(row.counters),
        reconciled_at: Set(row.reconciled_at),
        // One that is just done is written where it is claimed: here it may not be known.
        restarts: if row.restarts == 0 { Set(0) } else { NotSet },
        updated_at: Set(now),
        ..ActiveModel::default()
    }
}

/// What is told is what was confirmed: a probe that could not look, or looked once, changes no warning.
fn troubled(row: WatchRow, session: waha_sessions::Model) -> TroubledSession {
    let is_told = row.told.as_ref() == Some(&row.verdict);
    TroubledSession {
        id: session.id,
        source: session.source,
        session: session.name,
        verdict: row.told.unwrap_or(row.verdict),
        reason: row.reason.filter(|_| is_told),
        since: row.since_at.min(row.warned_at.unwrap_or(row.since_at)),
        probed_at: row.probed_at,
        restarts: row.restarts,
    }
}
