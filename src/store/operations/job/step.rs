//! A step of a job: mark some dead letters, tell what is to be published, note what was.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, NotSet, QueryFilter, QueryOrder,
    QuerySelect, RelationTrait, Set,
};

use entity::dead_letter_replays as replays;
use entity::dead_letters::Column;

use super::{JobState, LEASE, REPLAYS, ReplayJob, fetch, update_of};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::operations::dead_letter::{body_bytes, select};
use crate::store::operations::page::RowPage;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;
use crate::store::{Store, audit};

/// What a step did.
#[derive(Clone, Debug, PartialEq)]
pub enum JobStep {
    /// So many were marked; they are to be published.
    Marked(ReplayJob),
    /// All were looked at; the job is done.
    Done(ReplayJob),
    /// An operator cancelled it.
    Cancelled(ReplayJob),
    /// Another process has taken it over.
    Lost(ReplayJob),
}

impl Store {
    /// Marks the next dead letters of a job, `limit` at most, and renews its lease.
    pub async fn step_job(&self, job: &ReplayJob, limit: u64) -> Result<JobStep, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let now = self.clock.now();
        // Holds the job's row until the end of the transaction, and makes SQLite a writer.
        if !renew(&db, job, now).await? {
            let job = fetch(&db, job.id).await?;
            db.rollback().await?;
            return Ok(if job.state == JobState::Cancelled.name() {
                JobStep::Cancelled(job)
            } else {
                JobStep::Lost(job)
            });
        }
        let current = fetch(&db, job.id).await?;
        let ids = next(&db, &current, limit).await?;
        let step = if let Some(last) = ids.last() {
            mark(&db, &current, &ids, now).await?;
            self.advance(&db, job, &ids, *last, now).await?;
            JobStep::Marked(fetch(&db, job.id).await?)
        } else {
            finish(&db, job, now).await?;
            JobStep::Done(fetch(&db, job.id).await?)
        };
        db.commit().await?;
        Ok(step)
    }

    /// Counts the replays of these dead letters, and moves the cursor behind the last.
    async fn advance(
        &self,
        db: &CheckedTransaction,
        job: &ReplayJob,
        ids: &[i64],
        last: i64,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let row = |id: &i64| replays::ActiveModel {
            id: NotSet,
            job_id: Set(job.id),
            dead_letter_id: Set(*id),
            replayed_at: Set(now),
            published_at: Set(None),
            repeated_at: Set(None),
            ended_at: Set(None),
            outcome: Set(None),
            reason: Set(None),
            created_at: NotSet,
            updated_at: Set(now),
        };
        let rows = ids.iter().map(row).collect();
        let key = &[replays::Column::JobId, replays::Column::DeadLetterId];
        Upsert::<replays::Entity>::new(self.dialect, key).run(db, rows).await?;
        let more = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        let mut update = update_of(job.id, &job.lease_owner, now);
        update
            .value(Alias::new("cursor_id"), last)
            .value(Alias::new("replayed"), Expr::col(Alias::new("replayed")).add(more));
        db.execute(&update).await?;
        Ok(())
    }

    /// Keeps the lease while a job waits. False when the job is no longer this process'.
    pub async fn renew_job(&self, job: &ReplayJob) -> Result<bool, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let now = self.clock.now();
        let renewed = renew(&db, job, now).await?;
        db.commit().await?;
        Ok(renewed)
    }

    /// What a job has marked and not yet published, with the length of its body; oldest first.
    pub async fn unpublished(
        &self,
        job: &ReplayJob,
        limit: u64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let rows = replays::Entity::find()
            .select_only()
            .column(replays::Column::DeadLetterId)
            .column_as(body_bytes(self.dialect.backend()), "body_bytes")
            .join(JoinType::InnerJoin, replays::Relation::DeadLetters.def())
            .filter(replays::Column::JobId.eq(job.id))
            .filter(replays::Column::PublishedAt.is_null())
            .filter(replays::Column::EndedAt.is_null())
            .order_by_asc(replays::Column::DeadLetterId)
            .limit(limit);
        Ok(rows.into_tuple().all(&self.pool().db).await?)
    }

    /// Notes that the queue has these.
    pub async fn note_published(&self, job: &ReplayJob, ids: &[i64]) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let now = self.clock.now();
        let column = |name: &'static str| Expr::col(Alias::new(name));
        let mut update = Query::update();
        update
            .table(Alias::new(REPLAYS))
            .value(Alias::new("published_at"), now)
            .value(Alias::new("updated_at"), now)
            .and_where(column("job_id").eq(job.id))
            .and_where(column("dead_letter_id").is_in(ids.iter().copied()));
        let db = self.begin().await?;
        db.execute(&update).await?;
        db.commit().await
    }
}

async fn renew(
    db: &CheckedTransaction,
    job: &ReplayJob,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let mut update = update_of(job.id, &job.lease_owner, now);
    update.value(Alias::new("leased_until"), now + LEASE);
    Ok(db.execute(&update).await?.rows_affected() == 1)
}

async fn finish(
    db: &CheckedTransaction,
    job: &ReplayJob,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut update = update_of(job.id, &job.lease_owner, now);
    update
        .value(Alias::new("state"), JobState::Done.name())
        .value(Alias::new("active_key"), None::<String>)
        .value(Alias::new("ended_at"), now);
    db.execute(&update).await?;
    Ok(())
}

/// The numbers that come next, held until the transaction ends.
async fn next(
    db: &CheckedTransaction,
    job: &ReplayJob,
    limit: u64,
) -> Result<Vec<i64>, StoreError> {
    let filter = serde_json::from_str(&job.filter).map_err(|_| StoreError::Filter(job.id))?;
    let page = RowPage { after_id: job.cursor_id, last_id: job.last_id, limit };
    let rows = select(&filter, page, db.get_database_backend());
    Ok(rows.select_only().column(Column::Id).lock_exclusive().into_tuple().all(db).await?)
}

async fn mark(
    db: &CheckedTransaction,
    job: &ReplayJob,
    ids: &[i64],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut update = Query::update();
    update
        .table(Alias::new("dead_letters"))
        .values([
            (Alias::new("state"), Expr::val(DeadLetterState::Replaying.name())),
            (Alias::new("replays"), Expr::col(Alias::new("replays")).add(1)),
            (Alias::new("resolved_at"), Expr::val(now)),
            (Alias::new("resolved_by"), Expr::val(audit::fitting(&job.requested_by))),
            (Alias::new("updated_at"), Expr::val(now)),
        ])
        .and_where(Expr::col(Alias::new("id")).is_in(ids.iter().copied()));
    db.execute(&update).await?;
    Ok(())
}
