//! Lets go of old rows of the ledger, with their bodies and repetitions, and keeps how many they were.
//!
//! Invariants:
//! - Rows, repetitions and bodies go in the transaction that adds to `webhook_sums`, so `status` says the same
//!   before, between and after.
//! - A row stays as long as a dead letter of its webhook is there, whatever its state: it may be replayed.
//! - Rows are locked before they are counted. Who brings such a webhook again at the same time is counted before,
//!   or finds nothing and is one more webhook that was accepted and ended.
//!
//! What waits in a queue is not known here: `before` must not be later than what the oldest that waits was
//! received, or a delivery that comes again after its row went is counted twice (`retention`).

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::webhook_events::{Column, Entity};
use entity::{dead_letters, webhook_bodies, webhook_duplicates};

use super::month::Month;
use super::pass::{AgedPass, AgedRow, QUIET_ROWS};
use super::sources::OfSources;
use super::sums::{self, DUPLICATE, Sums};
use crate::store::Store;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

/// The name of this cursor.
const NAME: &str = "ledger";
const LEDGER: &str = "webhook_events";
const LETTERS: &str = "dead_letters";
/// What identifies a webhook, here and in its dead letter.
const KEY: [&str; 4] = ["source", "session", "event_type", "webhook_id"];

/// Old rows that a pass has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OldWebhooks {
    /// Their numbers, by the month in which they were received.
    pub ids: BTreeMap<Month, Vec<i64>>,
    /// Whether the pass goes on.
    pub goes_on: bool,
}

/// A row that is locked, and is to go.
struct LockedRow {
    id: i64,
    /// Its own; that of its arrival, if it has none.
    month: Month,
    outcome: String,
}

impl Store {
    /// Begins a pass where the last one got to; once a week at the beginning, for those that stayed because
    /// of a dead letter. What was imported late goes with those that have a number near its own.
    pub async fn begin_ledger_pass(&self) -> Result<AgedPass, StoreError> {
        self.begin_pass(NAME, OfSources::All).await
    }

    /// Looks at the next `rows_max` rows, and says which were received before `before` and may go.
    pub async fn old_webhooks(
        &self,
        pass: &mut AgedPass,
        before: DateTime<Utc>,
        rows_max: u64,
    ) -> Result<OldWebhooks, StoreError> {
        let rows = self.webhooks_after(pass.after, rows_max).await?;
        let is_end = (rows.len() as u64) < rows_max;
        let ids = pass.look_at(&rows, before, self.clock.now());
        let ids = self.without_letter(ids).await?;
        Ok(OldWebhooks { ids, goes_on: !is_end && pass.quiet < QUIET_ROWS })
    }

    /// Keeps how far a pass got; `is_over`: it found nothing more.
    pub async fn keep_ledger_pass(
        &self,
        pass: &mut AgedPass,
        is_over: bool,
    ) -> Result<(), StoreError> {
        let end = is_over.then_some(pass.after);
        self.keep_pass(pass, end).await
    }

    async fn webhooks_after(&self, after: i64, rows_max: u64) -> Result<Vec<AgedRow>, StoreError> {
        let rows: Vec<(i64, DateTime<Utc>)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::ReceivedAt])
            .filter(Column::Id.gt(after))
            .order_by_asc(Column::Id)
            .limit(rows_max)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        Ok(rows.into_iter().map(AgedRow::from).collect())
    }

    async fn without_letter(&self, ids: Vec<i64>) -> Result<BTreeMap<Month, Vec<i64>>, StoreError> {
        let mut by_month = BTreeMap::<Month, Vec<i64>>::new();
        if ids.is_empty() {
            return Ok(by_month);
        }
        let rows: Vec<(i64, DateTime<Utc>)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::ReceivedAt])
            .filter(Column::Id.is_in(ids))
            .filter(has_no_letter())
            .order_by_asc(Column::Id)
            .into_tuple()
            .all(&self.pool().db)
            .await?;
        for (id, at) in rows {
            by_month.entry(Month::of(at)).or_default().push(id);
        }
        Ok(by_month)
    }

    /// Deletes these rows of the ledger with all that hangs on them, as far as they are there, were received
    /// before `before` and have no dead letter. Returns how many went.
    pub async fn drop_webhooks(
        &self,
        ids: &[i64],
        before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let _turn = self.turn().await;
        let db = self.begin().await?;
        let rows = lock(&db, self.dialect, ids, before).await?;
        let sums = delete(&db, &rows).await?;
        sums::add(&db, sums, self.clock.now()).await?;
        db.commit().await?;
        Ok(rows.len() as u64)
    }
}

/// No dead letter has the key of a row of the ledger.
pub(super) fn has_no_letter() -> SimpleExpr {
    let mut letter = Query::select();
    letter.expr(Expr::val(1)).from(dead_letters::Entity);
    for column in KEY.map(Alias::new) {
        let of_row = Expr::col((Alias::new(LEDGER), column.clone()));
        letter.and_where(Expr::col((Alias::new(LETTERS), column)).eq(of_row));
    }
    Expr::exists(letter).not()
}

/// Locked in the order of their keys, as whoever writes the ledger does.
async fn lock(
    db: &CheckedTransaction,
    dialect: Dialect,
    ids: &[i64],
    before: DateTime<Utc>,
) -> Result<Vec<LockedRow>, StoreError> {
    let mut select = Query::select();
    select
        .columns(["id", "month", "received_at", "outcome"].map(Alias::new))
        .from(Entity)
        .and_where(Column::Id.is_in(ids.iter().copied()))
        .and_where(Column::ReceivedAt.lt(before));
    for column in KEY {
        select.order_by(Alias::new(column), sea_orm::Order::Asc);
    }
    let mut statement = dialect.backend().build(&select);
    if dialect != Dialect::Sqlite {
        statement.sql.push_str(" FOR UPDATE");
    }
    let mut rows = Vec::with_capacity(ids.len());
    for row in db.query_all_raw(statement).await? {
        let month = match row.try_get("", "month")? {
            0 => Month::of(row.try_get("", "received_at")?),
            month => Month::from(month),
        };
        let (id, outcome) = (row.try_get("", "id")?, row.try_get("", "outcome")?);
        rows.push(LockedRow { id, month, outcome });
    }
    keep_letters(db, rows).await
}

/// One may have become a dead letter until it was locked.
async fn keep_letters(
    db: &CheckedTransaction,
    mut rows: Vec<LockedRow>,
) -> Result<Vec<LockedRow>, StoreError> {
    let free: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(rows.iter().map(|row| row.id)))
        .filter(has_no_letter())
        .into_tuple()
        .all(db)
        .await?;
    let free: HashSet<i64> = free.into_iter().collect();
    rows.retain(|row| free.contains(&row.id));
    Ok(rows)
}

/// Deletes locked rows and says what they were.
async fn delete(db: &CheckedTransaction, rows: &[LockedRow]) -> Result<Sums, StoreError> {
    let mut sums = Sums::new();
    let mut by_month = BTreeMap::<Month, Vec<i64>>::new();
    for row in rows {
        *sums.entry((row.month, row.outcome.clone())).or_default() += 1;
        by_month.entry(row.month).or_default().push(row.id);
    }
    for (month, ids) in by_month {
        let repeated = delete_with_bodies(db, ids).await?;
        if repeated > 0 {
            sums.insert((month, DUPLICATE.to_owned()), i64::try_from(repeated).unwrap_or(i64::MAX));
        }
    }
    Ok(sums)
}

/// Returns how many repetitions they had.
async fn delete_with_bodies(db: &CheckedTransaction, ids: Vec<i64>) -> Result<u64, StoreError> {
    let repetition = webhook_duplicates::Column::WebhookEventId.is_in(ids.iter().copied());
    let repeated = webhook_duplicates::Entity::delete_many().filter(repetition).exec(db).await?;
    let body = webhook_bodies::Column::WebhookEventId.is_in(ids.iter().copied());
    webhook_bodies::Entity::delete_many().filter(body).exec(db).await?;
    Entity::delete_many().filter(Column::Id.is_in(ids)).exec(db).await?;
    Ok(repeated.rows_affected)
}
