//! Whose turn it is to be started anew: one session of a source at a time.
//!
//! Invariant: whoever claims a restart holds the first row of its source meanwhile, so of several workers that look at
//! several sessions one gets it.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use entity::waha_session_watches::{ActiveModel, Column, Entity};
use entity::waha_sessions;

use super::{Watch, WatchVerdict, held};
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// What is found of a session that works again.
const WORKS: [WatchVerdict; 2] = [WatchVerdict::Alive, WatchVerdict::Unwitnessed];

impl Store {
    /// Whether a session that is looked at may be started anew now: no other one of its source was after `turn_after`
    /// that does not work again, and none that is dead since `waits_since` has had no turn yet while this one had. It
    /// is written down as tried; false also if another worker has taken it since.
    pub async fn claim_restart(
        &self,
        watch: &Watch,
        turn_after: DateTime<Utc>,
        waits_since: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let _turn = self.turn().await;
        let db = self.begin().await?;
        if is_taken(&db, watch, turn_after, waits_since).await? {
            db.rollback().await?;
            return Ok(false);
        }
        let tried = ActiveModel {
            restarted_at: Set(Some(now)),
            updated_at: Set(now),
            ..ActiveModel::default()
        };
        let this = held(watch.row.id, watch.row.lease_number);
        let changed = Entity::update_many().set(tried).filter(this).exec(&db).await?.rows_affected;
        db.commit().await?;
        Ok(changed == 1)
    }

    /// Counts a restart that WAHA took.
    pub async fn count_restart(&self, watch: &Watch) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let db = self.begin().await?;
        Entity::update_many()
            .col_expr(Column::Restarts, Expr::col(Column::Restarts).add(1))
            .filter(Column::Id.eq(watch.row.id))
            .exec(&db)
            .await?;
        db.commit().await
    }
}

/// Whether another session of the source has its turn, or goes first.
async fn is_taken(
    db: &impl ConnectionTrait,
    watch: &Watch,
    turn_after: DateTime<Utc>,
    waits_since: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let of_source =
        || Entity::find().filter(Column::SessionId.in_subquery(sessions(&watch.source)));
    // Who claims for another session of the source waits here.
    of_source().order_by_asc(Column::Id).lock_exclusive().one(db).await?;
    let has_turn = Condition::all()
        .add(Column::RestartedAt.gt(turn_after))
        .add(Column::Verdict.is_not_in(WORKS.map(WatchVerdict::name)));
    let goes_first = Condition::all()
        .add(Column::RestartedAt.is_null())
        .add(Column::Verdict.eq(WatchVerdict::Dead.name()))
        .add(Column::Told.eq(WatchVerdict::Dead.name()))
        .add(Column::SinceAt.lte(waits_since));
    let goes_first = watch.row.restarted_at.map(|_| goes_first);
    let other = of_source()
        .filter(Column::Id.ne(watch.row.id))
        .filter(Condition::any().add(has_turn).add_option(goes_first));
    Ok(other.one(db).await?.is_some())
}

fn sessions(source: &str) -> SelectStatement {
    Query::select()
        .column(waha_sessions::Column::Id)
        .from(waha_sessions::Entity)
        .and_where(waha_sessions::Column::Source.eq(source))
        .take()
}
