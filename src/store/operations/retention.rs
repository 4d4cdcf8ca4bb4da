//! Lets go of bodies in the ledger, and of the old end of the feed. The ledger's rows stay: repetitions are
//! known for ever, and counted.
//!
//! Called by `retention`. Dead letters keep bodies of their own.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::{waha_changes, waha_feed};

use super::processes::AHEAD_MAX;
use crate::store::Store;
use crate::store::sql::error::StoreError;

const TABLE: &str = "webhook_events";

impl Store {
    /// Empties up to `rows_max` bodies of webhooks that were received before `before`, in the order of
    /// their ids, from after `after` on. Returns the last id; none when there is nothing left.
    pub async fn forget_bodies(
        &self,
        before: DateTime<Utc>,
        after: i64,
        rows_max: u64,
    ) -> Result<Option<i64>, StoreError> {
        let column = |name: &'static str| Expr::col(Alias::new(name));
        let mut select = Query::select();
        select
            .column(Alias::new("id"))
            .from(Alias::new(TABLE))
            .and_where(column("id").gt(after))
            .and_where(column("received_at").lt(Expr::val(self.dialect.bind(before.into()))))
            .and_where(column("body").is_not_null())
            .order_by(Alias::new("id"), sea_orm::Order::Asc)
            .limit(rows_max);
        let rows = self.pool().db.query_all(&select).await?;
        let ids: Vec<i64> =
            rows.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?;
        let Some(last) = ids.last().copied() else { return Ok(None) };
        let mut update = Query::update();
        update
            .table(Alias::new(TABLE))
            .value("body", Option::<Vec<u8>>::None)
            .and_where(column("id").is_in(ids));
        let _turn = self.turn().await;
        let db = self.begin().await?;
        db.execute(&update).await?;
        db.commit().await?;
        Ok(Some(last))
    }

    /// Deletes up to `rows_max` changes from the old end of the feed, up to the first one that is not from
    /// before `before`. The newest change stays. Returns whether there may be more.
    pub async fn cut_feed(&self, before: DateTime<Utc>, rows_max: u64) -> Result<bool, StoreError> {
        let Some(last) = self.last_to_cut(before, rows_max).await? else { return Ok(false) };
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let old = waha_changes::Column::Position.lte(last);
        let cut = waha_changes::Entity::delete_many().filter(old).exec(&db).await?;
        // Last, because whoever writes to the feed waits for this row.
        waha_feed::Entity::update_many()
            .col_expr(waha_feed::Column::OldestPosition, Expr::val(last + 1))
            .filter(waha_feed::Column::OldestPosition.lte(last))
            .exec(&db)
            .await?;
        db.commit().await?;
        Ok(cut.rows_affected == rows_max)
    }

    /// The last of the oldest changes that are all old. One that claims to be of the time to come, by a clock
    /// that was wrong, keeps nothing.
    async fn last_to_cut(
        &self,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<Option<i64>, StoreError> {
        use waha_changes::{Column, Entity};
        let newest = self.feed_state().await?.position;
        let oldest: Vec<(i64, DateTime<Utc>)> = Entity::find()
            .select_only()
            .columns([Column::Position, Column::ChangedAt])
            .filter(Column::Position.lt(newest))
            .order_by_asc(Column::Position)
            .limit(rows_max)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        let ahead = self.clock.now() + AHEAD_MAX;
        let is_old = |at: DateTime<Utc>| at < before || at > ahead;
        let old = oldest.into_iter().take_while(|(_, at)| is_old(*at));
        Ok(old.last().map(|(position, _)| position))
    }
}
