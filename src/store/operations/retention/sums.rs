//! `webhook_sums`: how many webhooks the ledger has let go of. Added to in the transaction that deletes the rows,
//! read by `totals`.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Alias, Expr, Func, Query};
use sea_orm::{ConnectionTrait, NotSet, Set};

use entity::webhook_sums::{ActiveModel, Column, Entity};

use super::month::Month;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::operations::dead_letter::big_integer;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

/// The outcome of repetitions.
pub(in crate::store::operations) const DUPLICATE: &str = "duplicate";

/// Rows by month and outcome.
pub(super) type Sums = BTreeMap<(Month, String), i64>;

/// Adds to what is gone. Nothing else of other rows may be locked afterwards: all that let go of rows wait here.
pub(super) async fn add(
    db: &CheckedTransaction,
    sums: Sums,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), StoreError> {
    let row = |((month, outcome), webhooks): ((Month, String), i64)| ActiveModel {
        id: NotSet,
        month: Set(month.number()),
        outcome: Set(outcome),
        webhooks: Set(webhooks),
        created_at: NotSet,
        updated_at: Set(now),
    };
    let rows: Vec<ActiveModel> = sums.into_iter().map(row).collect();
    let dialect = Dialect::of(db.get_database_backend());
    let upsert = Upsert::<Entity>::new(dialect, &[Column::Month, Column::Outcome]);
    let (old, new) = (upsert.old_value(Column::Webhooks), upsert.new_value(Column::Webhooks));
    let upsert = upsert.assign(Column::Webhooks, format!("{old} + {new}"));
    Ok(upsert.replace(Column::UpdatedAt).run(db, rows).await?)
}

/// All that is gone, by outcome.
pub(in crate::store::operations) async fn gone(
    db: &CheckedTransaction,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let integer = Alias::new(big_integer(db.get_database_backend()));
    let sum = Func::cast_as(Func::sum(Expr::col(Column::Webhooks)), integer);
    let mut select = Query::select();
    select
        .column(Column::Outcome)
        .expr_as(sum, Alias::new("rows"))
        .from(Entity)
        .group_by_col(Column::Outcome);
    let mut gone = BTreeMap::new();
    for row in db.query_all(&select).await? {
        let rows = u64::try_from(row.try_get::<i64>("", "rows")?).unwrap_or_default();
        gone.insert(row.try_get("", "outcome")?, rows);
    }
    Ok(gone)
}
