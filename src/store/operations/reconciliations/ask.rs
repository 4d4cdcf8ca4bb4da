//! What operators ask: how reconciliations stand, and how complete which hours are.

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use utoipa::ToSchema;

use entity::reconciliation_hours::Column as Hour;
use entity::{reconciliation_hours, reconciliations, waha_sessions};

use super::ReconciliationRow;
use crate::store::Store;
use crate::store::operations::page::RowPage;
use crate::store::operations::sessions::SessionReach;
use crate::store::sql::error::StoreError;

/// Which hours.
#[derive(Clone, Debug, Default)]
pub struct CompletenessFilter {
    /// Of these sessions.
    pub reach: SessionReach,
    /// From this time on.
    pub from: Option<DateTime<Utc>>,
    /// Only hours that are not complete, or in which something was missing.
    pub only_gaps: bool,
}

/// An hour of a session, compared with WAHA's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CompletenessHour {
    /// Number of the row, to go on from.
    pub id: i64,
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// When the hour begins.
    pub hour: DateTime<Utc>,
    /// Messages that WAHA lists.
    pub listed: i32,
    /// Messages here that webhooks told.
    pub live: i32,
    /// Messages here that only WAHA's list told.
    pub backfilled: i32,
    /// Messages here that WAHA does not list: revoked or pruned there.
    pub only_here: i32,
    /// Of those, the ones that are known to be revoked.
    pub revoked_here: i32,
    /// Messages that WAHA lists and that could not be taken over.
    pub refused: i32,
    /// `complete`, `partial` or `unknown`.
    pub state: String,
    /// Why it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was compared.
    pub checked_at: DateTime<Utc>,
}

/// A reconciliation, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub struct ReconciliationReport {
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// `hourly`, `daily`, `restart`, `working`, `silence`, `watchdog` or `command`; `people`: no messages, but what WAHA
    /// knows of the session and its people (`listed`: rows of its lists; `missing`: rows that changed here).
    pub kind: String,
    /// `waiting`, `done` or `stopped`.
    pub state: String,
    /// Why it stopped or waits.
    pub reason: Option<String>,
    /// From when on messages are compared.
    pub from: Option<DateTime<Utc>>,
    /// Up to when.
    pub until: Option<DateTime<Utc>>,
    /// Up to when that is done.
    pub cursor: Option<DateTime<Utc>>,
    /// When it is tried next.
    pub due_at: Option<DateTime<Utc>>,
    /// Requests to WAHA for this window.
    pub requests: i64,
    /// Messages that WAHA listed in it.
    pub listed: i64,
    /// Of those, the ones that were missing here.
    pub missing: i64,
    /// When it last ended.
    pub ended_at: Option<DateTime<Utc>>,
}

impl ReconciliationReport {
    /// Of a row.
    pub fn new(session: &waha_sessions::Model, row: ReconciliationRow) -> Self {
        Self {
            source: session.source.clone(),
            session: session.name.clone(),
            kind: row.kind,
            state: row.state,
            reason: row.reason,
            from: row.from_at,
            until: row.until_at,
            cursor: row.cursor_at,
            due_at: row.due_at,
            requests: row.requests,
            listed: row.listed,
            missing: row.missing,
            ended_at: row.ended_at,
        }
    }
}

impl Store {
    /// Hours that were compared, newest first: those with ids of the page.
    pub async fn completeness(
        &self,
        filter: &CompletenessFilter,
        page: RowPage,
    ) -> Result<Vec<CompletenessHour>, StoreError> {
        let rows = reconciliation_hours::Entity::find()
            .find_also_related(waha_sessions::Entity)
            .filter(filter.reach.condition())
            .filter(filter.condition())
            .filter(Hour::Id.gt(page.after_id))
            .filter(Hour::Id.lte(page.last_id))
            .order_by_asc(Hour::Id)
            .limit(page.limit);
        let rows = rows.all(&self.reading()).await?;
        Ok(rows.into_iter().filter_map(|(row, session)| Some(hour(&session?, row))).collect())
    }

    /// How reconciliations of the sessions within reach stand, in the order of sessions.
    pub async fn reconciliations(
        &self,
        reach: &SessionReach,
    ) -> Result<Vec<ReconciliationReport>, StoreError> {
        let pool = self.pool();
        let sessions = waha_sessions::Entity::find().filter(reach.condition());
        let sessions = sessions.order_by_asc(waha_sessions::Column::Id).all(&pool.db).await?;
        let ids = sessions.iter().map(|session| session.id);
        let rows = reconciliations::Entity::find()
            .filter(reconciliations::Column::SessionId.is_in(ids))
            .order_by_asc(reconciliations::Column::Id);
        let rows = rows.all(&pool.db).await?;
        let of = |session: &waha_sessions::Model| {
            let own = rows.iter().filter(|row| row.session_id == Some(session.id));
            own.map(|row| ReconciliationReport::new(session, row.clone())).collect::<Vec<_>>()
        };
        Ok(sessions.iter().flat_map(of).collect())
    }
}

impl CompletenessFilter {
    fn condition(&self) -> Condition {
        let gaps = || {
            Condition::any()
                .add(Hour::State.ne("complete"))
                .add(Hour::Backfilled.gt(0))
                .add(Hour::Refused.gt(0))
        };
        Condition::all()
            .add_option(self.from.map(|from| Hour::HourAt.gte(from)))
            .add_option(self.only_gaps.then(gaps))
    }
}

fn hour(session: &waha_sessions::Model, row: reconciliation_hours::Model) -> CompletenessHour {
    CompletenessHour {
        id: row.id,
        source: session.source.clone(),
        session: session.name.clone(),
        hour: row.hour_at,
        listed: row.listed,
        live: row.live,
        backfilled: row.backfilled,
        only_here: row.only_here,
        revoked_here: row.revoked_here,
        refused: row.refused,
        state: row.state,
        reason: row.reason,
        checked_at: row.checked_at,
    }
}
