//! Which reconciliation a worker does next.

use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, Set};

use entity::reconciliations::{ActiveModel, Column, Entity};
use entity::waha_sessions;

use super::{
    ReconciliationFence, ReconciliationKind, ReconciliationRow, ReconciliationWindow, SessionMark,
};
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// Which messages of which session are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciliationTarget {
    /// The session's row.
    pub session_id: i64,
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// `NOWEB`, `GOWS`, `WEBJS` or `WPP`, as webhooks told.
    pub engine: Option<String>,
    /// Messages sent in it.
    pub window: ReconciliationWindow,
}

impl ReconciliationTarget {
    /// Of a session.
    pub fn of(session: &SessionMark, window: ReconciliationWindow) -> Self {
        let SessionMark { id, source, name, .. } = session;
        let (source, session) = (source.clone(), name.clone());
        Self { session_id: *id, source, session, engine: None, window }
    }
}

/// A reconciliation that this worker has.
#[derive(Clone, Debug)]
pub struct ReconciliationTask {
    /// The row as it was taken.
    pub row: ReconciliationRow,
    /// Why.
    pub kind: ReconciliationKind,
    /// What is left to be done.
    pub target: ReconciliationTarget,
}

impl ReconciliationTask {
    /// By which it writes.
    pub fn fence(&self) -> ReconciliationFence {
        ReconciliationFence { id: self.row.id, lease_number: self.row.lease_number }
    }
}

impl Store {
    /// Takes what is due, for so long; none if nothing is. A session that a worker is at, for whatever reason,
    /// and those of `resting` sources are left alone.
    pub async fn take_reconciliation(
        &self,
        resting: &[String],
        lease: Duration,
    ) -> Result<Option<ReconciliationTask>, StoreError> {
        for found in self.due_reconciliations().await? {
            let Some(task) = self.task_of(&found, lease).await? else { continue };
            if resting.contains(&task.target.source) {
                continue;
            }
            if self.lease_reconciliation(&found, &task.row).await? {
                return Ok(Some(task));
            }
        }
        Ok(None)
    }

    /// Takes this one, due or not, unless a worker is at its session.
    pub async fn take_reconciliation_of(
        &self,
        session_id: i64,
        kind: ReconciliationKind,
        lease: Duration,
    ) -> Result<Option<ReconciliationTask>, StoreError> {
        let rows = Entity::find().filter(Column::SessionId.eq(session_id));
        let rows = rows.all(&self.pool().db).await?;
        if rows.iter().any(|row| self.is_leased(row)) {
            return Ok(None);
        }
        let Some(found) = rows.into_iter().find(|row| row.kind == kind.name()) else {
            return Ok(None);
        };
        let Some(task) = self.task_of(&found, lease).await? else { return Ok(None) };
        Ok(self.lease_reconciliation(&found, &task.row).await?.then_some(task))
    }

    /// Keeps it for longer; false if this worker has it no more.
    pub async fn renew_reconciliation(
        &self,
        task: &ReconciliationTask,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let leased_until = Some(self.clock.now() + lease);
        let row = ReconciliationRow { leased_until, ..task.row.clone() };
        self.lease_reconciliation(&task.row, &row).await
    }

    /// What is due, the kinds first that are done first. Few: at most a row for each session and kind.
    async fn due_reconciliations(&self) -> Result<Vec<ReconciliationRow>, StoreError> {
        let now = self.clock.now();
        let pool = self.pool();
        let due = Entity::find().filter(Column::DueAt.lte(now)).order_by_asc(Column::DueAt);
        let due = due.all(&pool.db).await?;
        if due.is_empty() {
            return Ok(due);
        }
        let leased = Entity::find().filter(Column::LeasedUntil.gt(now)).all(&pool.db).await?;
        let is_free = |row: &ReconciliationRow| {
            row.session_id.is_some() && !leased.iter().any(|it| it.session_id == row.session_id)
        };
        let mut due: Vec<ReconciliationRow> = due.into_iter().filter(is_free).collect();
        due.sort_by_key(|row| ReconciliationKind::parse(&row.kind));
        Ok(due)
    }

    fn is_leased(&self, row: &ReconciliationRow) -> bool {
        row.leased_until.is_some_and(|until| until > self.clock.now())
    }

    async fn task_of(
        &self,
        found: &ReconciliationRow,
        lease: Duration,
    ) -> Result<Option<ReconciliationTask>, StoreError> {
        let (Some(session_id), Some(kind)) =
            (found.session_id, ReconciliationKind::parse(&found.kind))
        else {
            return Ok(None);
        };
        let (Some(from), Some(until)) = (found.cursor_at, found.until_at) else { return Ok(None) };
        let session = waha_sessions::Entity::find_by_id(session_id).one(&self.pool().db).await?;
        let row = ReconciliationRow {
            leased_until: Some(self.clock.now() + lease),
            lease_number: found.lease_number + 1,
            ..found.clone()
        };
        Ok(session.map(|session| ReconciliationTask {
            row,
            kind,
            target: ReconciliationTarget {
                session_id,
                source: session.source,
                session: session.name,
                engine: session.engine,
                window: ReconciliationWindow { from, until },
            },
        }))
    }

    /// Writes the lease of a row that is still as it was read.
    async fn lease_reconciliation(
        &self,
        before: &ReconciliationRow,
        after: &ReconciliationRow,
    ) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let context = self.write_context(&db);
        let change = ActiveModel {
            leased_until: Set(after.leased_until),
            lease_number: Set(after.lease_number),
            // Another value each time: MySQL counts the rows that differ.
            updated_at: Set(context.now),
            ..ActiveModel::default()
        };
        let fence = ReconciliationFence { id: before.id, lease_number: before.lease_number };
        let update = Entity::update_many().set(change).filter(held(fence));
        let changed = update.exec(&db).await?.rows_affected;
        db.commit().await?;
        Ok(changed == 1)
    }
}

/// The row, if whoever took it with this number still has it.
pub(super) fn held(fence: ReconciliationFence) -> Condition {
    Condition::all()
        .add(Column::Id.eq(fence.id))
        .add(Expr::col(Column::LeaseNumber).eq(fence.lease_number))
}
