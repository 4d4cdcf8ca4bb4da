//! Replay jobs in the tables: who may run one, which dead letters are next, and what came of them.
//!
//! Called by `replay`, which publishes. Invariant:
//! - A dead letter is marked, its replay counted and the job's cursor moved in one transaction: a job
//!   replays each once, whenever it is killed.
//! - What is marked and not known to be published is published first, by whoever goes on.
//! - At most one job runs per filter, and one process per job: the database's uniqueness and a lease
//!   say so.

mod end;
mod start;
mod step;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, UpdateStatement};
use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;
use utoipa::ToSchema;

use entity::replay_jobs::{Column, Entity};
use entity::{dead_letter_replays as replays, dead_letters};

use super::dead_letter::DeadLetterFilter;
use crate::store::Store;
use crate::store::apply::outcome::Outcome;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::sql::error::StoreError;

pub use entity::replay_jobs::Model as ReplayJob;
pub use start::{JobStart, ReplayRequest};
pub use step::JobStep;

const TABLE: &str = "replay_jobs";
const REPLAYS: &str = "dead_letter_replays";

/// How long a process may be silent before another one may take its job over.
pub const LEASE: Duration = Duration::from_secs(10);

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// A process works on it.
    Running,
    /// Its process is gone; started again with the same filter it goes on.
    Interrupted,
    /// It has come to its end.
    Done,
    /// An operator has stopped it.
    Cancelled,
}

impl JobState {
    /// As shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Where a job stands now.
    pub fn of(job: &ReplayJob, now: DateTime<Utc>) -> Self {
        let ended = [Self::Done, Self::Cancelled].into_iter().find(|it| it.name() == job.state);
        let is_lost = job.leased_until < now;
        ended.unwrap_or(if is_lost { Self::Interrupted } else { Self::Running })
    }
}

/// How many replays of a job ended how.
pub type JobOutcomes = BTreeMap<String, i64>;

/// Stands for the outcome of replays that have none yet.
pub const ON_THEIR_WAY: &str = "on_their_way";

/// Groups that are named, the largest.
const GROUPS_AGAIN_MAX: u64 = 10;

/// Dead letters of one group that a job replayed and that failed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromQueryResult)]
pub struct GroupAgain {
    /// Its name.
    pub group: String,
    /// How many.
    pub count: i64,
}

impl Store {
    /// Jobs below `before_id`, newest first.
    pub async fn jobs(
        &self,
        before_id: Option<i64>,
        limit: u64,
    ) -> Result<Vec<ReplayJob>, StoreError> {
        let mut query = Entity::find().order_by_desc(Column::Id).limit(limit);
        if let Some(before) = before_id {
            query = query.filter(Column::Id.lt(before));
        }
        Ok(query.all(&self.pool().db).await?)
    }

    /// One job.
    pub async fn job(&self, id: i64) -> Result<Option<ReplayJob>, StoreError> {
        Ok(Entity::find_by_id(id).one(&self.pool().db).await?)
    }

    /// The job that runs for this filter, if any.
    pub async fn job_for(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<Option<ReplayJob>, StoreError> {
        let job = Entity::find().filter(Column::ActiveKey.eq(filter.key()));
        Ok(job.one(&self.pool().db).await?)
    }

    /// How the replays of these jobs ended, by the number of the job.
    pub async fn job_outcomes(
        &self,
        ids: &[i64],
    ) -> Result<BTreeMap<i64, JobOutcomes>, StoreError> {
        let rows: Vec<(i64, Option<String>, i64)> = replays::Entity::find()
            .select_only()
            .columns([replays::Column::JobId, replays::Column::Outcome])
            .column_as(replays::Column::Id.count(), "count")
            .filter(replays::Column::JobId.is_in(ids.iter().copied()))
            .group_by(replays::Column::JobId)
            .group_by(replays::Column::Outcome)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let mut outcomes: BTreeMap<i64, JobOutcomes> = BTreeMap::new();
        for (job, outcome, count) in rows {
            let outcome = outcome.unwrap_or_else(|| ON_THEIR_WAY.to_owned());
            outcomes.entry(job).or_default().insert(outcome, count);
        }
        Ok(outcomes)
    }

    /// The groups of those that a job replayed and that are dead letters again, the largest first.
    pub async fn groups_again(&self, job: i64) -> Result<Vec<GroupAgain>, StoreError> {
        let mut failed = Query::select();
        failed
            .column(replays::Column::DeadLetterId)
            .from(replays::Entity)
            .and_where(replays::Column::JobId.eq(job))
            .and_where(replays::Column::Outcome.eq(Outcome::DeadLettered("").name()));
        let groups = dead_letters::Entity::find()
            .select_only()
            .column_as(dead_letters::Column::Fingerprint, "group")
            .column_as(dead_letters::Column::Id.count(), "count")
            .filter(dead_letters::Column::Id.in_subquery(failed))
            .group_by(dead_letters::Column::Fingerprint)
            .order_by(Expr::col(Alias::new("count")), Order::Desc)
            .limit(GROUPS_AGAIN_MAX);
        Ok(groups.into_model::<GroupAgain>().all(&self.pool().db).await?)
    }
}

/// An update of a job that runs and that `owner` may work on.
fn update_of(job_id: i64, owner: &str, now: DateTime<Utc>) -> UpdateStatement {
    let column = |name: &'static str| Expr::col(Alias::new(name));
    let mut update = Query::update();
    update
        .table(Alias::new(TABLE))
        .value(Alias::new("updated_at"), now)
        .and_where(column("id").eq(job_id))
        .and_where(column("lease_owner").eq(owner))
        .and_where(column("state").eq(JobState::Running.name()));
    update
}

async fn fetch(db: &CheckedTransaction, id: i64) -> Result<ReplayJob, StoreError> {
    Entity::find_by_id(id).one(db).await?.ok_or(StoreError::Vanished(TABLE))
}
