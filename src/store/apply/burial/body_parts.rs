//! Bodies that are longer than a statement may be: their beginning is in the row, the rest in
//! `dead_letter_parts`.
//!
//! Only MySQL and MariaDB have such a limit, in both directions: a row that is longer can't be read
//! either. Each part repeats the bytes before it, so that a search finds what was cut through.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, NotSet, QueryFilter, QueryOrder, QuerySelect, Set,
};

use entity::dead_letter_parts::{ActiveModel, Column, Entity};

use crate::store::connect::limit::MessageLimit;
use crate::store::connect::transaction::CheckedTransaction;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::Upsert;

const TABLE: &str = "dead_letter_parts";

/// Bytes that a part repeats: more than a chat's id in any spelling has.
const OVERLAP: usize = 512;
/// Bytes in one row, at most: a quarter of what the server takes leaves room for all else.
const PART_BYTES_MAX: usize = 1024 * 1024;
/// The edit of a body that none replaced.
const CURRENT: i64 = 0;

/// A body, cut into what goes into its row and what does not.
pub(in crate::store) struct CutBody<'a> {
    /// For the row.
    pub(in crate::store) first: &'a [u8],
    /// For parts; empty as a rule.
    rest: Vec<&'a [u8]>,
}

impl<'a> CutBody<'a> {
    /// Cuts a body where the server demands it.
    pub(in crate::store) fn of(body: &'a [u8], limit: &MessageLimit) -> Self {
        let part = limit.bytes().map_or(usize::MAX, |bytes| (bytes / 4).min(PART_BYTES_MAX));
        let whole = limit.bytes().map_or(usize::MAX, |bytes| bytes / 2);
        if body.len() <= whole {
            return Self { first: body, rest: Vec::new() };
        }
        let part = part.max(2 * OVERLAP);
        let starts = (part..body.len()).step_by(part);
        let rest = starts.map(|at| &body[at - OVERLAP..body.len().min(at + part)]).collect();
        Self { first: &body[..part], rest }
    }

    /// Whether the row holds all of it.
    pub(in crate::store) fn is_whole(&self) -> bool {
        self.rest.is_empty()
    }

    /// Writes the parts of a dead letter's body; those that are there stay.
    pub(in crate::store) async fn write(
        &self,
        db: &CheckedTransaction,
        letter_id: i64,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let key = &[Column::DeadLetterId, Column::EditId, Column::Place];
        let upsert = Upsert::<Entity>::new(Dialect::of(db.get_database_backend()), key);
        for (place, part) in (1_i32..).zip(&self.rest) {
            let row = ActiveModel {
                id: NotSet,
                dead_letter_id: Set(letter_id),
                edit_id: Set(CURRENT),
                place: Set(place),
                body: Set(part.to_vec()),
                created_at: NotSet,
                updated_at: Set(now),
            };
            upsert.run(db, vec![row]).await?;
        }
        Ok(())
    }
}

/// The parts of a body belong to an edit from now on: it keeps what was there before.
pub(in crate::store) async fn hand_over(
    db: &CheckedTransaction,
    letter_id: i64,
    edit_id: i64,
) -> Result<(), StoreError> {
    let mut update = Query::update();
    update
        .table(Alias::new(TABLE))
        .value(Alias::new("edit_id"), edit_id)
        .and_where(Expr::col(Alias::new("dead_letter_id")).eq(letter_id))
        .and_where(Expr::col(Alias::new("edit_id")).eq(CURRENT));
    db.execute(&update).await?;
    Ok(())
}

/// Appends to the first bytes of bodies, by the number of their letters, what is in parts.
pub(in crate::store) async fn join<'a>(
    db: &impl ConnectionTrait,
    bodies: impl Iterator<Item = (i64, &'a mut Vec<u8>)>,
) -> Result<(), StoreError> {
    let mut bodies: HashMap<i64, &mut Vec<u8>> = bodies.collect();
    let ids = bodies.keys().copied().collect::<Vec<i64>>();
    let of_letters = Column::DeadLetterId.is_in(ids).and(Column::EditId.eq(CURRENT));
    for (letter, part) in read(db, of_letters).await? {
        if let Some(body) = bodies.get_mut(&letter) {
            body.extend_from_slice(part.get(OVERLAP..).unwrap_or_default());
        }
    }
    Ok(())
}

/// The same for the body that an edit replaced.
pub(in crate::store) async fn join_edited(
    db: &impl ConnectionTrait,
    edit_id: i64,
    body: &mut Vec<u8>,
) -> Result<(), StoreError> {
    for (_, part) in read(db, Column::EditId.eq(edit_id)).await? {
        body.extend_from_slice(part.get(OVERLAP..).unwrap_or_default());
    }
    Ok(())
}

/// Parts, in the order of their places.
async fn read(
    db: &impl ConnectionTrait,
    of: SimpleExpr,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let parts = Entity::find()
        .select_only()
        .columns([Column::DeadLetterId, Column::Body])
        .filter(of)
        .order_by_asc(Column::DeadLetterId)
        .order_by_asc(Column::Place);
    Ok(parts.into_tuple().all(db).await?)
}

/// Parts of the dead letter of the statement around, whose number is `id`.
fn of_letter(id: SimpleExpr) -> SelectStatement {
    let part = |column: Column| Expr::col((Entity, column));
    Query::select()
        .from(Entity)
        .and_where(part(Column::DeadLetterId).eq(id))
        .and_where(part(Column::EditId).eq(CURRENT))
        .take()
}

/// Bytes of a body that are in parts.
pub(in crate::store) fn length(id: SimpleExpr, integer: &'static str) -> SimpleExpr {
    let length = Func::cust("LENGTH").arg(Expr::col((Entity, Column::Body)));
    let bytes = Expr::expr(length).sub(i64::try_from(OVERLAP).unwrap_or_default());
    let sum = Func::coalesce([Func::sum(bytes).into(), Expr::val(0)]);
    let sum = Func::cast_as(sum, Alias::new(integer));
    Expr::from(of_letter(id).expr(sum).take())
}

/// Whether a part holds what `holds` says of a column.
pub(in crate::store) fn any_holds(
    id: SimpleExpr,
    holds: impl FnOnce(SimpleExpr) -> SimpleExpr,
) -> SimpleExpr {
    let body = Expr::col((Entity, Column::Body));
    Expr::exists(of_letter(id).expr(Expr::val(1)).and_where(holds(body)).take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_body_again() {
        let body: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let limit = MessageLimit::of(16 * 1024);
        let cut = CutBody::of(&body, &limit);
        assert!(!cut.is_whole() && cut.rest.len() > 10);
        let mut joined = cut.first.to_vec();
        for part in &cut.rest {
            assert_eq!(part[..OVERLAP], joined[joined.len() - OVERLAP..]);
            joined.extend_from_slice(&part[OVERLAP..]);
        }
        assert!(joined == body);
        assert!(CutBody::of(&body, &MessageLimit::unknown()).is_whole());
    }
}
