//! Starts a job, or goes on with one whose process is gone.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, NotSet, QueryFilter, Set};

use entity::replay_jobs::{ActiveModel, Column, Entity};

use super::{JobState, LEASE, REPLAYS, ReplayJob, TABLE, fetch};
use crate::store::Store;
use crate::store::audit::{self, Actor, AuditAction, AuditEntry};
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::operations::dead_letter::DeadLetterFilter;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

/// A replay that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct ReplayRequest<'a> {
    /// Which dead letters.
    pub filter: &'a DeadLetterFilter,
    /// Most per second.
    pub rate: Option<f64>,
    /// Who asks.
    pub actor: &'a Actor,
    /// Why, if said.
    pub note: Option<&'a str>,
    /// The process that will run it: a random name.
    pub owner: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum JobStart {
    /// A new job.
    Started(ReplayJob),
    /// One that was interrupted goes on.
    Resumed(ReplayJob),
    /// Another process runs it, or did a moment ago.
    Busy(ReplayJob),
}

impl Store {
    /// Starts a job for the filter, or takes over the one that nobody runs any more.
    pub async fn start_job(&self, request: &ReplayRequest<'_>) -> Result<JobStart, StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let now = self.clock.now();
        let row = row(request, now);
        Upsert::<Entity>::new(self.dialect, &[Column::ActiveKey]).run(&db, vec![row]).await?;
        let job = Entity::find().filter(Column::ActiveKey.eq(request.filter.key())).one(&db);
        let job = job.await?.ok_or(StoreError::Vanished(TABLE))?;
        let start = if job.lease_owner == request.owner {
            JobStart::Started(self.begin_job(&db, &job, request, now).await?)
        } else if take_over(&db, &job, request, now).await? {
            JobStart::Resumed(fetch(&db, job.id).await?)
        } else {
            JobStart::Busy(job)
        };
        db.commit().await?;
        Ok(start)
    }

    /// Counts what is to be done; what becomes a dead letter from now on is not part of it.
    async fn begin_job(
        &self,
        db: &CheckedTransaction,
        job: &ReplayJob,
        request: &ReplayRequest<'_>,
        now: DateTime<Utc>,
    ) -> Result<ReplayJob, StoreError> {
        let backend = self.dialect.backend();
        let letters = Alias::new("dead_letters");
        let id = Expr::col(Alias::new("id"));
        let mut select = Query::select();
        select
            .expr_as(id.clone().count(), Alias::new("total"))
            .expr_as(id.max(), Alias::new("last_id"))
            .from(letters)
            .cond_where(request.filter.condition(backend));
        let row = db.query_one(&select).await?.ok_or(StoreError::Vanished(TABLE))?;
        let total: i64 = row.try_get("", "total")?;
        let last_id: Option<i64> = row.try_get("", "last_id")?;
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .value(Alias::new("total"), total)
            .value(Alias::new("last_id"), last_id.unwrap_or_default())
            .and_where(Expr::col(Alias::new("id")).eq(job.id));
        db.execute(&update).await?;
        let entry = AuditEntry {
            filter: Some(job.filter.clone()),
            affected: total.unsigned_abs(),
            new_values: Some(serde_json::json!({ "job": job.id, "rate": request.rate })),
            note: request.note,
            ..AuditEntry::new(AuditAction::Replay, request.actor)
        };
        audit::insert(db, &entry, now).await?;
        fetch(db, job.id).await
    }
}

fn row(request: &ReplayRequest<'_>, now: DateTime<Utc>) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        filter: Set(request.filter.to_json()),
        active_key: Set(Some(request.filter.key())),
        state: Set(JobState::Running.name().to_owned()),
        rate: Set(request.rate),
        requested_by: Set(audit::fitting(&request.actor.name)),
        requested_from: Set(audit::fitting(&request.actor.place)),
        total: Set(0),
        replayed: Set(0),
        cursor_id: Set(0),
        last_id: Set(0),
        lease_owner: Set(request.owner.to_owned()),
        leased_until: Set(now + LEASE),
        started_at: Set(now),
        ended_at: Set(None),
        created_at: NotSet,
        updated_at: Set(now),
    }
}

/// Takes the lease if it is over. What was marked and not known to be published will be published
/// once more: the queue may then hold it twice, which the equation has to know.
async fn take_over(
    db: &CheckedTransaction,
    job: &ReplayJob,
    request: &ReplayRequest<'_>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let column = |name: &'static str| Expr::col(Alias::new(name));
    let mut update = Query::update();
    update
        .table(Alias::new(TABLE))
        .values([
            (Alias::new("lease_owner"), Expr::val(request.owner)),
            (Alias::new("leased_until"), Expr::val(now + LEASE)),
            (Alias::new("rate"), Expr::val(request.rate)),
            (Alias::new("updated_at"), Expr::val(now)),
        ])
        .and_where(column("id").eq(job.id))
        .and_where(column("state").eq(JobState::Running.name()))
        .and_where(column("leased_until").lt(now));
    if db.execute(&update).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let mut update = Query::update();
    update
        .table(Alias::new(REPLAYS))
        .value(Alias::new("repeated_at"), now)
        .and_where(column("job_id").eq(job.id))
        .and_where(column("published_at").is_null());
    db.execute(&update).await?;
    Ok(true)
}
