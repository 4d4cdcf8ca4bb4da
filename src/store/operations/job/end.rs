//! Stops jobs before their end: for good, or so that somebody can go on at once.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};

use super::{JobState, REPLAYS, ReplayJob, TABLE, fetch, update_of};
use crate::store::Store;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::sql::error::StoreError;

impl Store {
    /// Cancels a job; what is published is not taken back. None when it does not run.
    pub async fn cancel_job(
        &self,
        id: i64,
        actor: &Actor,
    ) -> Result<Option<ReplayJob>, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let now = self.clock.now();
        let column = |name: &'static str| Expr::col(Alias::new(name));
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .value(Alias::new("state"), JobState::Cancelled.name())
            .value(Alias::new("active_key"), None::<String>)
            .value(Alias::new("ended_at"), now)
            .value(Alias::new("updated_at"), now)
            .and_where(column("id").eq(id))
            .and_where(column("state").eq(JobState::Running.name()));
        if db.execute(&update).await?.rows_affected() == 0 {
            db.rollback().await?;
            return Ok(None);
        }
        let job = fetch(&db, id).await?;
        let was_running = JobState::of(
            &ReplayJob { state: JobState::Running.name().to_owned(), ..job.clone() },
            now,
        );
        if was_running == JobState::Interrupted {
            withdraw(&db, id, now).await?;
        }
        let entry = AuditEntry {
            filter: Some(job.filter.clone()),
            affected: job.replayed.unsigned_abs(),
            old_values: Some(serde_json::json!({ "job": id, "total": job.total })),
            ..AuditEntry::new(AuditAction::Cancel, actor)
        };
        audit::insert(&db, &entry, now).await?;
        db.commit().await?;
        Ok(Some(job))
    }

    /// Gives the lease back, so that the job can go on at once elsewhere.
    pub async fn release_job(&self, job: &ReplayJob) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let now = self.clock.now();
        let mut update = update_of(job.id, &job.lease_owner, now);
        update.value(Alias::new("leased_until"), now - chrono::Duration::milliseconds(1));
        let db = self.begin().await?;
        db.execute(&update).await?;
        db.commit().await
    }
}

/// What was marked and is not known to be published is pending again. Should the queue have it after
/// all, its end is written as that of any replay.
async fn withdraw(
    db: &CheckedTransaction,
    job_id: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let column = |name: &'static str| Expr::col(Alias::new(name));
    let mut marked = Query::select();
    marked
        .column(Alias::new("dead_letter_id"))
        .from(Alias::new(REPLAYS))
        .and_where(column("job_id").eq(job_id))
        .and_where(column("published_at").is_null())
        .and_where(column("ended_at").is_null());
    let mut update = Query::update();
    update
        .table(Alias::new("dead_letters"))
        .value(Alias::new("state"), DeadLetterState::Pending.name())
        .value(Alias::new("updated_at"), now)
        .and_where(column("state").eq(DeadLetterState::Replaying.name()))
        .and_where(column("id").in_subquery(marked));
    db.execute(&update).await?;
    let mut update = Query::update();
    update
        .table(Alias::new(REPLAYS))
        .value(Alias::new("ended_at"), now)
        .value(Alias::new("outcome"), JobState::Cancelled.name())
        .value(Alias::new("updated_at"), now)
        .and_where(column("job_id").eq(job_id))
        .and_where(column("published_at").is_null())
        .and_where(column("ended_at").is_null());
    db.execute(&update).await?;
    Ok(())
}
