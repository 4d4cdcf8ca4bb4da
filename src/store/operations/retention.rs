//! Lets go of bodies in the ledger. The rows stay: repetitions are known for ever, and counted.
//!
//! Called by `retention`. Dead letters keep bodies of their own.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};

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
}
