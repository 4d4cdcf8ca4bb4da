//! The count of webhooks that were made from WAHA's list of messages: in the row of the reconciliation that made
//! them, in the transaction that writes them, so that the equation has it apart from the ledger.
//!
//! Called by `batch`. The row is locked first of all, so of two workers that believe to have it one waits, and then
//! finds that it has not.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, Value};

use crate::store::connect::transaction::CheckedTransaction;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

const TABLE: &str = "reconciliations";

/// A reconciliation, as the worker has it that took it under this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconciliationFence {
    /// Its row.
    pub id: i64,
    /// Of the lease.
    pub lease_number: i64,
}

/// Webhooks that were made from WAHA's list, as whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// The reconciliation that writes them.
    pub fence: ReconciliationFence,
    /// Whether their messages were missing here; else they only got further.
    pub is_missing: bool,
}

/// Adds to the counts of a reconciliation; an error if another worker has it.
pub(super) async fn count(
    db: &CheckedTransaction,
    dialect: Dialect,
    backfill: Backfill,
    more: u64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let Backfill { fence, is_missing } = backfill;
    let column = |name: &'static str| Expr::col(Alias::new(name));
    let more = i64::try_from(more).unwrap_or(i64::MAX);
    let missing = if is_missing { more } else { 0 };
    let now = Expr::val(dialect.bind(Value::from(now)));
    let mut update = Query::update();
    update
        .table(Alias::new(TABLE))
        .value(Alias::new("accepted"), column("accepted").add(more))
        .value(Alias::new("missing"), column("missing").add(missing))
        .value(Alias::new("updated_at"), now)
        .and_where(column("id").eq(fence.id))
        .and_where(column("lease_number").eq(fence.lease_number));
    match db.execute(&update).await?.rows_affected() {
        0 => Err(StoreError::Vanished(TABLE)),
        _ => Ok(()),
    }
}
