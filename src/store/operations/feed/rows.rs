//! What changed together with its row, as applications get it: by HTTP, by the exchange and by webhooks.
//!
//! Called by every way out of the feed but SQL. The row is read when it is told, as it then is, so it is at
//! least as new as the position; one statement reads all of a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::SecondsFormat;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, IdenStatic, Iterable, ModelTrait, QueryFilter,
    QuerySelect, Value,
};
use serde_json::{Map, Value as Json};

use entity::{waha_changes, waha_messages, waha_visible_messages};

use crate::store::Store;
use crate::store::feed::{ChangeKind, EntityUse};
use crate::store::sql::error::StoreError;
use crate::store::sql::upsert::is_bookkeeping;

/// A change with the row that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeWithRow {
    /// What changed.
    pub change: waha_changes::Model,
    /// The row as it is now, an object with the table's columns but for bookkeeping. None if it is gone, or a
    /// message that lists don't show: a stub, or one that gave way to another row.
    pub row: Option<Json>,
    /// Of a message that gave way: the row that it became.
    pub merged_into: Option<i64>,
}

/// Rows of one table by their ids.
type RowsById = HashMap<i64, Json>;

impl Store {
    /// Reads the rows of changes, as they are now. At most [`PAGE_MAX`](super::PAGE_MAX) changes.
    pub async fn with_rows(
        &self,
        changes: Vec<waha_changes::Model>,
    ) -> Result<Vec<ChangeWithRow>, StoreError> {
        let db = &self.pool().db;
        let mut ids: BTreeMap<&str, (ChangeKind, BTreeSet<i64>)> = BTreeMap::new();
        for (kind, change) in changes.iter().filter_map(known) {
            ids.entry(kind.table()).or_insert((kind, BTreeSet::new())).1.insert(change.row_id);
        }
        let mut rows: HashMap<&str, RowsById> = HashMap::new();
        let mut pointers = HashMap::new();
        for (table, (kind, ids)) in ids {
            let found = read(db, kind, &ids).await?;
            if table == ChangeKind::MessageMerged.table() {
                let hidden = ids.into_iter().filter(|id| !found.contains_key(id)).collect();
                pointers = read_pointers(db, hidden).await?;
            }
            rows.insert(table, found);
        }
        let with_row = |change: waha_changes::Model| {
            let table = ChangeKind::of(&change.kind).map(ChangeKind::table);
            let row = table.and_then(|table| rows.get(table)?.get(&change.row_id)).cloned();
            let is_message = table == Some(ChangeKind::MessageMerged.table());
            let merged_into = if is_message { pointers.get(&change.row_id).copied() } else { None };
            ChangeWithRow { change, row, merged_into }
        };
        Ok(changes.into_iter().map(with_row).collect())
    }
}

/// A change of a kind that this release knows.
fn known(change: &waha_changes::Model) -> Option<(ChangeKind, &waha_changes::Model)> {
    Some((ChangeKind::of(&change.kind)?, change))
}

async fn read(
    db: &DatabaseConnection,
    kind: ChangeKind,
    ids: &BTreeSet<i64>,
) -> Result<RowsById, StoreError> {
    let select = Select { db, ids };
    // Lists show fewer messages than the table has.
    if kind.table() == ChangeKind::MessageCreated.table() {
        return select.with::<waha_visible_messages::Entity>().await;
    }
    kind.with_entity(select).await
}

/// Rows with these ids.
struct Select<'a> {
    db: &'a DatabaseConnection,
    ids: &'a BTreeSet<i64>,
}

impl<'a> EntityUse for Select<'a> {
    type Output = BoxFuture<'a, Result<RowsById, StoreError>>;

    fn with<E>(self) -> Self::Output
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
    {
        let which = Expr::col(ID).is_in(self.ids.iter().copied());
        let rows = async move {
            let rows = E::find().filter(which).all(self.db).await?;
            let by_id = rows.iter().map(row_json).filter_map(|row| Some((row[ID].as_i64()?, row)));
            Ok(by_id.collect())
        };
        rows.boxed()
    }
}

/// Where messages went that gave way.
async fn read_pointers(
    db: &DatabaseConnection,
    ids: Vec<i64>,
) -> Result<HashMap<i64, i64>, StoreError> {
    use waha_messages::{Column, Entity};
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let select = Entity::find().select_only().columns([Column::Id, Column::MergedInto]);
    let which = Column::Id.is_in(ids).and(Column::MergedInto.is_not_null());
    let found: Vec<(i64, i64)> = select.filter(which).into_tuple().all(db).await?;
    Ok(found.into_iter().collect())
}

/// The key of every table that the feed tells of.
const ID: &str = "id";

/// A row as an object. Times are RFC 3339 with microseconds; JSON texts stay texts, as in the tables.
pub(in crate::store::operations) fn row_json<M: ModelTrait>(model: &M) -> Json {
    let columns = <M::Entity as EntityTrait>::Column::iter();
    let shown = columns.filter(|column| !is_bookkeeping(column.as_str()));
    let fields = shown.map(|column| (column.as_str().to_owned(), json_value(model.get(column))));
    Json::Object(fields.collect::<Map<_, _>>())
}

fn json_value(value: Value) -> Json {
    match value {
        Value::Bool(told) => told.into(),
        Value::SmallInt(told) => told.into(),
        Value::Int(told) => told.into(),
        Value::BigInt(told) => told.into(),
        Value::String(told) => told.into(),
        Value::ChronoDateTimeUtc(told) => {
            told.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)).into()
        }
        // Of no column of these tables; a test reads one row of each.
        _ => Json::Null,
    }
}
