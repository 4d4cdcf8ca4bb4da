//! How many dead letters and sessions there are, by state and status. Called by `monitor`.

use sea_orm::sea_query::{Alias, Asterisk, Expr, Func, Query};
use sea_orm::{ConnectionTrait, TryGetable};

use crate::store::Store;
use crate::store::sql::error::StoreError;

impl Store {
    /// Dead letters by state. Reads an index only.
    pub async fn dead_letter_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.count_by("dead_letters", "state").await
    }

    /// Sessions by the status that WAHA last told; none of those that told none.
    pub async fn session_counts(&self) -> Result<Vec<(Option<String>, u64)>, StoreError> {
        self.count_by("waha_sessions", "status").await
    }

    async fn count_by<T: TryGetable>(
        &self,
        table: &'static str,
        column: &'static str,
    ) -> Result<Vec<(T, u64)>, StoreError> {
        let mut select = Query::select();
        select
            .column(Alias::new(column))
            .expr_as(Func::count(Expr::col(Asterisk)), Alias::new("rows"))
            .from(Alias::new(table))
            .group_by_col(Alias::new(column));
        let mut counts = Vec::new();
        for row in self.pool().db.query_all(&select).await? {
            let rows = u64::try_from(row.try_get::<i64>("", "rows")?).unwrap_or_default();
            counts.push((row.try_get("", column)?, rows));
        }
        Ok(counts)
    }
}
