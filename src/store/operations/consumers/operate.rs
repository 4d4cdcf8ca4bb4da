//! What operators do with a consumer. Each is in the audit log.

use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};
use serde_json::{Value, json};

use entity::feed_consumers::{ActiveModel, Column, Entity};
use entity::waha_changes;

use super::{ConsumerRow, ConsumerState, as_read, cursor};
use crate::store::Store;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::operations::feed::{ChangeFilter, Cursor, FeedState, Gone};
use crate::store::sql::error::StoreError;

/// Why something can't be done with a consumer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerRefusal {
    /// There is none of this name.
    #[error("there is no consumer {0}: `consumers list` shows all")]
    Unknown(String),
    /// The feed does not have what comes after the position.
    #[error(transparent)]
    Gone(Gone),
    /// Nothing waits.
    #[error("nothing waits for consumer {0}")]
    NothingToSkip(String),
    /// It would be made again.
    #[error("consumer {0} is configured: take it out of the configuration of all processes first")]
    Configured(String),
    /// A worker moved it meanwhile.
    #[error("consumer {0} got further meanwhile: look at it again")]
    Moved(String),
}

/// What a consumer is to be told next.
#[derive(Clone, Debug)]
pub struct NextChange {
    /// The consumer as it was then.
    pub consumer: ConsumerRow,
    /// The change.
    pub change: waha_changes::Model,
}

type Operated = Result<Result<ConsumerRow, ConsumerRefusal>, StoreError>;

impl Store {
    /// Delivers nothing to a consumer until it is resumed; `note`: why, in the operator's words.
    pub async fn pause_consumer(&self, name: &str, note: Option<&str>, actor: &Actor) -> Operated {
        let Some(row) = self.consumer(name).await? else { return Ok(Err(unknown(name))) };
        let reason = note.unwrap_or("paused by an operator").to_owned();
        let after = ConsumerRow {
            state: ConsumerState::Paused.name().to_owned(),
            reason: Some(reason),
            ..row.clone()
        };
        self.operate(&row, after, AuditAction::Pause, actor, note).await
    }

    /// Delivers again, at once.
    pub async fn resume_consumer(&self, name: &str, actor: &Actor) -> Operated {
        let Some(row) = self.consumer(name).await? else { return Ok(Err(unknown(name))) };
        if let Err(gone) = self.feed_state().await?.check(cursor(&row)) {
            return Ok(Err(ConsumerRefusal::Gone(gone)));
        }
        self.operate(&row, fresh(&row), AuditAction::Resume, actor, None).await
    }

    /// Delivers once more what came after a position, under new ids. One that was gone is active again; one
    /// that is paused stays so.
    pub async fn rewind_consumer(&self, name: &str, to: i64, actor: &Actor) -> Operated {
        let Some(row) = self.consumer(name).await? else { return Ok(Err(unknown(name))) };
        let feed = self.feed_state().await?;
        if let Err(gone) = feed.check(Cursor { after: to, epoch: None }) {
            return Ok(Err(ConsumerRefusal::Gone(gone)));
        }
        let mut after = fresh(&row);
        if ConsumerState::of(&row) == ConsumerState::Paused {
            (after.state, after.reason) = (row.state.clone(), row.reason.clone());
        }
        (after.epoch, after.position) = (feed.epoch, to);
        after.generation += 1;
        self.operate(&row, after, AuditAction::Rewind, actor, None).await
    }

    /// The next change that passes the filter: the one that a consumer hangs on, if it does.
    pub async fn next_change_of(
        &self,
        name: &str,
        filter: &ChangeFilter,
    ) -> Result<Result<NextChange, ConsumerRefusal>, StoreError> {
        let Some(consumer) = self.consumer(name).await? else { return Ok(Err(unknown(name))) };
        let feed: FeedState = self.feed_state().await?;
        let page = match self.changes_after(&feed, cursor(&consumer), filter, 1).await? {
            Ok(page) => page,
            Err(gone) => return Ok(Err(ConsumerRefusal::Gone(gone))),
        };
        let next = page.changes.into_iter().next();
        let next = next.map(|change| NextChange { consumer, change });
        Ok(next.ok_or_else(|| ConsumerRefusal::NothingToSkip(name.to_owned())))
    }

    /// Leaves out a change that was the next one.
    pub async fn skip_change(&self, next: &NextChange, actor: &Actor) -> Operated {
        let NextChange { consumer: row, change } = next;
        let mut after = fresh(row);
        (after.state, after.reason) = (row.state.clone(), row.reason.clone());
        after.position = change.position;
        self.operate(row, after, AuditAction::Skip, actor, None).await
    }

    /// Forgets a consumer that is not configured any more. Refused if something moved it meanwhile.
    pub async fn remove_consumer(
        &self,
        row: &ConsumerRow,
        actor: &Actor,
    ) -> Result<Result<(), ConsumerRefusal>, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let deleted = Entity::delete_many().filter(as_read(row)).exec(&db).await?;
        if deleted.rows_affected == 0 {
            db.rollback().await?;
            return Ok(Err(ConsumerRefusal::Moved(row.name.clone())));
        }
        let entry = AuditEntry {
            filter: Some(json!({ "consumer": row.name }).to_string()),
            affected: 1,
            old_values: Some(values(row)),
            ..AuditEntry::new(AuditAction::Remove, actor)
        };
        audit::insert(&db, &entry, self.clock.now()).await?;
        db.commit().await?;
        Ok(Ok(()))
    }

    /// Writes what an operator changes of a row, with an entry of the audit log.
    async fn operate(
        &self,
        row: &ConsumerRow,
        after: ConsumerRow,
        action: AuditAction,
        actor: &Actor,
        note: Option<&str>,
    ) -> Operated {
        let now = self.clock.now();
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let mut change = ActiveModel {
            state: Set(after.state.clone()),
            reason: Set(after.reason.clone()),
            last_error: Set(after.last_error.clone()),
            failing_since: Set(after.failing_since),
            next_try_at: Set(after.next_try_at),
            updated_at: Set(now),
            ..Default::default()
        };
        // While something is delivered the position moves: that is in the way of a skip alone.
        let mut same = Column::Id.eq(row.id).and(Column::Generation.eq(row.generation));
        if action == AuditAction::Skip {
            same = same.and(Column::Position.eq(row.position));
        }
        if matches!(action, AuditAction::Skip | AuditAction::Rewind) {
            change.epoch = Set(after.epoch.clone());
            change.position = Set(after.position);
            change.generation = Set(after.generation);
        }
        let changed = Entity::update_many().set(change).filter(same).exec(&db).await?;
        if changed.rows_affected == 0 {
            db.rollback().await?;
            return Ok(Err(ConsumerRefusal::Moved(row.name.clone())));
        }
        let entry = AuditEntry {
            filter: Some(json!({ "consumer": row.name }).to_string()),
            affected: 1,
            old_values: Some(values(row)),
            new_values: Some(values(&after)),
            note,
            ..AuditEntry::new(action, actor)
        };
        audit::insert(&db, &entry, now).await?;
        db.commit().await?;
        Ok(Ok(after))
    }
}

/// What the audit log says of a row.
fn values(row: &ConsumerRow) -> Value {
    json!({ "position": row.position, "generation": row.generation, "state": row.state })
}

fn unknown(name: &str) -> ConsumerRefusal {
    ConsumerRefusal::Unknown(name.to_owned())
}

/// Active, and nothing failed.
fn fresh(row: &ConsumerRow) -> ConsumerRow {
    ConsumerRow {
        state: ConsumerState::Active.name().to_owned(),
        reason: None,
        last_error: None,
        failing_since: None,
        next_try_at: None,
        ..row.clone()
    }
}
