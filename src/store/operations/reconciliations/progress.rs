//! How far a reconciliation got, and how it ended.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{EntityTrait, QueryFilter, Set};

use entity::reconciliations::{ActiveModel, Column, Entity};

use super::hours::HourFinding;
use super::lease::held;
use super::{ReconciliationFence, ReconciliationKind, ReconciliationState, ReconciliationTask};
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// A window that was compared whole.
#[derive(Clone, Debug)]
pub struct WindowDone {
    /// Up to when everything is done by now.
    pub cursor: DateTime<Utc>,
    /// What was found, by hour.
    pub hours: Vec<HourFinding>,
    /// Requests to WAHA.
    pub requests: u64,
    /// Messages that it listed. Those that were missing are counted as they are written.
    pub listed: u64,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconciliationEnd {
    /// All of the window was compared. The next time is asked for by whoever plans.
    Done,
    /// Tried again, from where it got to.
    Waits {
        /// When.
        at: DateTime<Utc>,
        /// Why it did not go on.
        reason: &'static str,
        /// Whether this was a failure: an outage is none.
        is_failure: bool,
    },
    /// It can't be done.
    Stopped {
        /// Why.
        reason: &'static str,
    },
}

impl Store {
    /// Writes that a window was compared; false if this worker has the reconciliation no more, and then nothing
    /// is written.
    pub async fn end_window(
        &self,
        session_id: i64,
        fence: ReconciliationFence,
        done: &WindowDone,
    ) -> Result<bool, StoreError> {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let plus = |column: Column, more: u64| Expr::col(column).add(number(more));
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let context = self.write_context(&db);
        let change = ActiveModel {
            cursor_at: Set(Some(done.cursor)),
            updated_at: Set(context.now),
            ..ActiveModel::default()
        };
        let update = Entity::update_many()
            .set(change)
            .col_expr(Column::Requests, plus(Column::Requests, done.requests))
            .col_expr(Column::Listed, plus(Column::Listed, done.listed))
            .filter(held(fence));
        if update.exec(&db).await?.rows_affected == 0 {
            db.rollback().await?;
            return Ok(false);
        }
        super::hours::write(&context, session_id, &done.hours).await?;
        db.commit().await?;
        Ok(true)
    }

    /// Writes how a try ended; false if this worker has the reconciliation no more.
    pub async fn end_reconciliation(
        &self,
        task: &ReconciliationTask,
        end: ReconciliationEnd,
    ) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let context = self.write_context(&db);
        let change = ActiveModel {
            leased_until: Set(None),
            updated_at: Set(context.now),
            ..ended(task, end, context.now)
        };
        let update = Entity::update_many().set(change).filter(held(task.fence()));
        let changed = update.exec(&db).await?.rows_affected;
        db.commit().await?;
        Ok(changed == 1)
    }
}

fn ended(task: &ReconciliationTask, end: ReconciliationEnd, now: DateTime<Utc>) -> ActiveModel {
    let is_people = task.kind == ReconciliationKind::People;
    match end {
        ReconciliationEnd::Done => ActiveModel {
            state: Set(ReconciliationState::Done.name().to_owned()),
            reason: Set(None),
            due_at: Set(None),
            failures: Set(0),
            ended_at: Set(Some(now)),
            // That of messages moves with each window.
            cursor_at: if is_people { Set(task.row.until_at) } else { NotSet },
            ..ActiveModel::default()
        },
        ReconciliationEnd::Waits { at, reason, is_failure } => ActiveModel {
            reason: Set(Some(reason.to_owned())),
            due_at: Set(Some(at)),
            failures: Set(task.row.failures.saturating_add(i32::from(is_failure))),
            ..ActiveModel::default()
        },
        ReconciliationEnd::Stopped { reason } => ActiveModel {
            state: Set(ReconciliationState::Stopped.name().to_owned()),
            reason: Set(Some(reason.to_owned())),
            due_at: Set(None),
            ended_at: Set(Some(now)),
            ..ActiveModel::default()
        },
    }
}
