//! Moves bodies that are in the ledger as they came to the packed ones, some at a time.
//!
//! Called by `packing`. Invariant: a body leaves the ledger in the transaction that writes it packed, after it was
//! unpacked and compared; its ledger row is locked meanwhile, so what is let go of at the same time does not come
//! back. Cut off anywhere, it goes on behind the last row that it moved.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use entity::webhook_events::{Column, Entity};

use super::cursor::{UNCOMMITTED_MAX, is_walk_due};
use crate::body_codec::PackCheck;
use crate::store::Store;
use crate::store::bodies::plain_length;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::operations::batches::parts;
use crate::store::sql::error::StoreError;

/// The name of its cursor.
const NAME: &str = "packed_bodies";
/// Rows moved in one transaction.
const ROWS_MAX: u64 = 200;
/// Rows of the ledger that one statement looks at.
const LOOK: i64 = 20_000;

/// A pass through the ledger.
#[derive(Clone, Debug)]
pub struct MovePass {
    /// Up to here no body is left in the ledger.
    after: i64,
    /// The newest row when it began: what comes later is packed when it comes.
    end: i64,
    /// When it ends a walk, since when.
    walks_since: Option<DateTime<Utc>>,
    /// How many bodies it has moved.
    pub moved: u64,
}

impl Store {
    /// Whether this store packs bodies.
    pub fn packs_bodies(&self) -> bool {
        self.packs_bodies
    }

    /// Begins a pass where the last one got to; once a week at the beginning.
    pub async fn begin_move_pass(&self) -> Result<MovePass, StoreError> {
        let (now, end) = (self.clock.now(), self.history_end().await?);
        let row = self.cursor(NAME).await?;
        let walked_at = row.as_ref().and_then(|row| row.walked_at);
        let after = match walked_at {
            Some(at) if is_walk_due(at, now) => {
                self.begin_walk(NAME).await?;
                0
            }
            _ => row.map_or(0, |row| row.cursor_id),
        };
        let walks_since = walked_at.is_none_or(|at| is_walk_due(at, now)).then_some(now);
        Ok(MovePass { after, end, walks_since, moved: 0 })
    }

    /// Moves the next bodies. Returns whether the pass goes on.
    pub async fn move_bodies(&self, pass: &mut MovePass) -> Result<bool, StoreError> {
        if pass.after >= pass.end {
            self.end_move_pass(pass).await?;
            return Ok(false);
        }
        let until = pass.after.saturating_add(LOOK).min(pass.end);
        let found = self.plain_bodies(pass.after, until).await?;
        let Some(part) = parts(&found, found.len(), |(_, bytes)| *bytes).next() else {
            pass.after = until;
            return Ok(true);
        };
        let ids: Vec<i64> = part.iter().map(|(id, _)| *id).collect();
        let last = ids.last().copied().unwrap_or(until);
        pass.moved += self.move_those(ids, last).await?;
        pass.after = last;
        Ok(true)
    }

    /// What may not have been committed yet when it was looked at is looked at again the next time.
    async fn end_move_pass(&self, pass: &MovePass) -> Result<(), StoreError> {
        let cursor = (pass.end - UNCOMMITTED_MAX).max(0);
        let _turn = self.turn().await;
        let db = self.begin().await?;
        self.write_cursor(&db, NAME, cursor, pass.walks_since).await?;
        db.commit().await
    }

    /// Numbers and lengths of the next bodies in the ledger.
    async fn plain_bodies(&self, after: i64, until: i64) -> Result<Vec<(i64, i64)>, StoreError> {
        let rows = Entity::find()
            .select_only()
            .column(Column::Id)
            .column_as(plain_length(self.dialect.backend()), "bytes")
            .filter(Column::Id.gt(after))
            .filter(Column::Id.lte(until))
            .filter(Column::Body.is_not_null())
            .order_by_asc(Column::Id)
            .limit(ROWS_MAX);
        Ok(rows.into_tuple().all(&self.pool().db).await?)
    }

    /// The months of rows, each once.
    async fn months_of(&self, ids: &[i64]) -> Result<Vec<i32>, StoreError> {
        let months = Entity::find()
            .select_only()
            .column(Column::Month)
            .distinct()
            .filter(Column::Id.is_in(ids.iter().copied()));
        Ok(months.into_tuple().all(&self.pool().db).await?)
    }

    async fn move_those(&self, ids: Vec<i64>, last: i64) -> Result<u64, StoreError> {
        let _turn = self.turn().await;
        self.ensure_dictionary().await?;
        let layout = self.month_layout(self.months_of(&ids).await?).await?;
        let db = self.begin().await?;
        let bodies = lock(&db, ids).await?;
        let ids: Vec<i64> = bodies.iter().map(|(id, ..)| *id).collect();
        let moved = bodies.iter().map(|(id, month, body)| (*id, *month, &body[..])).collect();
        self.write_bodies(&db, &layout, moved, PackCheck::Each).await?;
        if !ids.is_empty() {
            Entity::update_many()
                .col_expr(Column::Body, Expr::val(Option::<Vec<u8>>::None))
                .filter(Column::Id.is_in(ids))
                .exec(&db)
                .await?;
        }
        self.write_cursor(&db, NAME, last, None).await?;
        db.commit().await?;
        Ok(bodies.len() as u64)
    }
}

/// Those of these rows that still have a body, locked until the transaction ends.
async fn lock(
    db: &CheckedTransaction,
    ids: Vec<i64>,
) -> Result<Vec<(i64, i32, Vec<u8>)>, StoreError> {
    let rows = Entity::find()
        .select_only()
        .columns([Column::Id, Column::Month, Column::Body])
        .filter(Column::Id.is_in(ids))
        .filter(Column::Body.is_not_null())
        .order_by_asc(Column::Id)
        .lock_exclusive();
    Ok(rows.into_tuple().all(db).await?)
}
