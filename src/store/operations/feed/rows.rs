//! What changed together with its row, as applications get it: by HTTP, by the exchange and by webhooks.
//!
//! Called by every way out of the feed but SQL. The row is read when it is told, as it then is, so it is at
//! least as new as the position; one statement reads all of a table.
//!
//! Invariant: no more rows are read than have room in what the caller allows, but for a single one.

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

use super::ChangePage;
use super::sizes::{Measure, OTHER_BYTES, SizesById};
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

/// A part of the feed with rows.
#[derive(Clone, Debug, PartialEq)]
pub struct PageWithRows {
    /// What changed, in the order of positions.
    pub changes: Vec<ChangeWithRow>,
    /// From where to read on.
    pub position: i64,
}

/// Rows of one table by their ids.
type RowsById = HashMap<i64, Json>;

/// Ids of the rows of each table, with a kind of its changes.
type IdsByTable = BTreeMap<&'static str, (ChangeKind, BTreeSet<i64>)>;

impl Store {
    /// Reads the rows of changes, as they are now: as many as hold `bytes_max` together, and at least one. The
    /// page ends behind the last of them. At most [`PAGE_MAX`](super::PAGE_MAX) changes.
    pub async fn with_rows(
        &self,
        page: ChangePage,
        bytes_max: u64,
    ) -> Result<PageWithRows, StoreError> {
        let ChangePage { mut changes, mut position } = page;
        let count = self.fitting(&changes, bytes_max).await?;
        if count < changes.len() {
            changes.truncate(count);
            position = changes.last().map_or(position, |change| change.position);
        }
        Ok(PageWithRows { changes: self.read_rows(changes).await?, position })
    }

    /// How many of them, from the first on, have rows that hold no more than that; at least one.
    async fn fitting(
        &self,
        changes: &[waha_changes::Model],
        bytes_max: u64,
    ) -> Result<usize, StoreError> {
        if changes.len() < 2 {
            return Ok(changes.len());
        }
        let db = &self.pool().db;
        let mut sizes: HashMap<&str, SizesById> = HashMap::new();
        for (table, (kind, ids)) in &ids_by_table(changes) {
            sizes.insert(*table, use_of(*kind, Measure { db, ids }).await?);
        }
        let size = |change: &waha_changes::Model| {
            let (kind, change) = known(change)?;
            sizes.get(kind.table())?.get(&change.row_id).copied()
        };
        let mut sum = 0_u64;
        let fits = changes.iter().take_while(|change| {
            sum = sum.saturating_add(OTHER_BYTES + size(change).unwrap_or_default());
            sum <= bytes_max
        });
        Ok(fits.count().max(1))
    }

    async fn read_rows(
        &self,
        changes: Vec<waha_changes::Model>,
    ) -> Result<Vec<ChangeWithRow>, StoreError> {
        let db = &self.pool().db;
        let mut rows: HashMap<&str, RowsById> = HashMap::new();
        let mut pointers = HashMap::new();
        for (table, (kind, ids)) in ids_by_table(&changes) {
            let found = use_of(kind, Select { db, ids: &ids }).await?;
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

fn ids_by_table(changes: &[waha_changes::Model]) -> IdsByTable {
    let mut ids = IdsByTable::new();
    for (kind, change) in changes.iter().filter_map(known) {
        ids.entry(kind.table()).or_insert((kind, BTreeSet::new())).1.insert(change.row_id);
    }
    ids
}

/// A change of a kind that this release knows.
fn known(change: &waha_changes::Model) -> Option<(ChangeKind, &waha_changes::Model)> {
    Some((ChangeKind::of(&change.kind)?, change))
}

/// Uses the entity that a kind's rows are told by: lists show fewer messages than the table has.
fn use_of<U: EntityUse>(kind: ChangeKind, that: U) -> U::Output {
    if kind.table() == ChangeKind::MessageCreated.table() {
        that.with::<waha_visible_messages::Entity>()
    } else {
        kind.with_entity(that)
    }
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
pub(super) const ID: &str = "id";

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
