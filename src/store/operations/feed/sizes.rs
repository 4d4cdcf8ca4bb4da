//! How large rows are, asked before they are read: a page of changes is bounded by what its rows hold.
//!
//! Used by `rows`. Only texts without a bound are counted, which few tables have; the databases know their
//! lengths without reading them out.

use std::collections::{BTreeSet, HashMap};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{
    ColumnTrait, ColumnType, DatabaseConnection, EntityTrait, Iterable, ModelTrait, QueryFilter,
    QuerySelect,
};

use super::rows::ID;
use crate::store::feed::EntityUse;
use crate::store::sql::error::StoreError;

/// What the other columns of a row come to, about.
pub(super) const OTHER_BYTES: u64 = 1024;

/// Bytes of the texts of rows, by their ids.
pub(super) type SizesById = HashMap<i64, u64>;

/// Rows with these ids, whose texts are measured.
pub(super) struct Measure<'a> {
    pub(super) db: &'a DatabaseConnection,
    pub(super) ids: &'a BTreeSet<i64>,
}

impl<'a> EntityUse for Measure<'a> {
    type Output = BoxFuture<'a, Result<SizesById, StoreError>>;

    fn with<E>(self) -> Self::Output
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
    {
        let texts: Vec<E::Column> = E::Column::iter().filter(is_unbounded).collect();
        if texts.is_empty() {
            return ready(Ok(HashMap::new())).boxed();
        }
        let Self { db, ids } = self;
        let which = Expr::col(ID).is_in(ids.iter().copied());
        let select = E::find().select_only().expr(Expr::col(ID)).expr(length(texts)).filter(which);
        let measured = async move {
            let found: Vec<(i64, i64)> = select.into_tuple().all(db).await?;
            let known = |(id, bytes)| Some((id, u64::try_from(bytes).ok()?));
            Ok(found.into_iter().filter_map(known).collect())
        };
        measured.boxed()
    }
}

fn is_unbounded(column: &impl ColumnTrait) -> bool {
    matches!(column.def().get_column_type(), ColumnType::Text)
}

/// The bytes of all of them. The id makes a sum of 64 bits of it, on every database.
fn length<C: ColumnTrait>(texts: Vec<C>) -> Expr {
    let zero = Expr::col(ID).sub(Expr::col(ID));
    texts.into_iter().fold(zero, |sum, text| {
        let bytes = Func::cust("OCTET_LENGTH").arg(Expr::col(text));
        sum.add(Func::coalesce([Expr::from(bytes), Expr::val(0)]))
    })
}
