//! Tables as their entities read them: no column is named here, and every database gives the same kinds
//! of values.

use std::collections::{BTreeMap, BTreeSet};

use entity::prelude::*;
use sea_orm::{
    DatabaseConnection, EntityTrait, IdenStatic, Iterable, ModelTrait, RelationDef, RelationTrait,
    Schema, Value,
};

/// A table with all its rows.
pub struct Table {
    pub name: String,
    pub columns: Vec<String>,
    /// Columns that hold the id of another row, with its table.
    parents: BTreeMap<String, String>,
    /// The columns that name a row whatever its id is.
    key: BTreeSet<String>,
    pub rows: Vec<Row>,
}

/// Values in the order of the table's columns.
pub struct Row(Vec<Value>);

/// Reads the tables of these entities.
macro_rules! read_all {
    ($db:expr, $($entity:ident),+ $(,)?) => { vec![$(read($entity, $db).await),+] };
}

/// Every table, those first that others point to.
pub async fn all_tables(db: &DatabaseConnection) -> Vec<Table> {
    read_all!(
        db,
        WahaSessions,
        WahaSessionStatuses,
        UserWaha,
        WahaContacts,
        WahaChats,
        WahaParticipants,
        WahaJoinRequests,
        WahaLabels,
        WahaChatLabels,
        ChatReads,
        WahaMessages,
        WahaOwnMessages,
        WahaMessageClaims,
        WahaMessageAcks,
        WahaMessageEdits,
        WahaMessageRevocations,
        WahaMessageReferrals,
        WahaReactions,
        WahaPollVotes,
        WahaEventResponses,
        WahaCalls,
        WebhookEvents,
        WebhookDuplicates,
        DeadLetters,
        DeadLetterParts,
        DeadLetterEdits,
        ReplayJobs,
        DeadLetterReplays,
        WahaProcesses,
        AuditLogs,
        ConsoleSessions,
    )
}

async fn read<E: EntityTrait>(entity: E, db: &DatabaseConnection) -> Table {
    let models = E::find().all(db).await.unwrap();
    let values = |model: &E::Model| E::Column::iter().map(|column| model.get(column)).collect();
    let indexes = Schema::new(db.get_database_backend()).create_index_from_entity(entity);
    let unique = indexes.iter().filter(|index| index.is_unique_key());
    Table {
        name: entity.table_name().to_owned(),
        columns: E::Column::iter().map(|column| column.as_str().to_owned()).collect(),
        parents: E::Relation::iter().filter_map(|relation| parent(&relation.def())).collect(),
        key: unique.flat_map(|index| index.get_index_spec().get_column_names()).collect(),
        rows: models.iter().map(|model| Row(values(model))).collect(),
    }
}

/// The column and the table of a relation to a parent; none of one to children.
fn parent(relation: &RelationDef) -> Option<(String, String)> {
    let column = relation.from_col.iter().next().filter(|_| !relation.is_owner)?;
    Some((column.to_string(), relation.to_tbl.sea_orm_table().to_string()))
}

impl Table {
    /// Columns with their values.
    pub fn fields<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.columns.iter().map(String::as_str).zip(&row.0)
    }

    fn row(&self, id: &Value) -> &Row {
        let is_it = |row: &&Row| self.fields(row).any(|field| field == ("id", id));
        self.rows.iter().find(is_it).unwrap_or_else(|| panic!("{} has no row {id:?}", self.name))
    }

    /// The row that a column points to, if it is such a column.
    fn parent<'a>(
        &self,
        tables: &'a [Table],
        column: &str,
        id: &Value,
    ) -> Option<(&'a Table, &'a Row)> {
        let name = self.parents.get(column)?;
        let parent = tables.iter().find(|table| table.name == *name).unwrap();
        (!is_null(id)).then(|| (parent, parent.row(id)))
    }

    /// The source that a row is of, its own or that of the row it points to.
    pub fn source(&self, tables: &[Table], row: &Row) -> String {
        let of_field = |(column, value): (&str, &Value)| match value {
            Value::String(Some(source)) if column == "source" => Some(source.clone()),
            _ => self.parent(tables, column, value).map(|(table, row)| table.source(tables, row)),
        };
        let source = self.fields(row).find_map(of_field);
        source.unwrap_or_else(|| panic!("a row of {} is of no source", self.name))
    }

    /// What stands for the id of the row that a column points to: its table and what names it there,
    /// without the source, which all rows of a text share.
    pub fn reference(&self, tables: &[Table], column: &str, id: &Value) -> Option<String> {
        let (parent, row) = self.parent(tables, column, id)?;
        Some(format!("{} {}", parent.name, parent.names(tables, row).join(", ")))
    }

    fn names(&self, tables: &[Table], row: &Row) -> Vec<String> {
        let key = self.fields(row).filter(|(column, _)| self.key.contains(*column));
        let of_field =
            |(column, value): (&str, &Value)| match (value, self.parent(tables, column, value)) {
                (_, Some((parent, row))) => parent.names(tables, row),
                (Value::String(Some(_)), None) if column == "source" => Vec::new(),
                (Value::String(Some(text)), None) => vec![text.clone()],
                _ => vec![format!("{value:?}")],
            };
        key.flat_map(of_field).collect()
    }
}

/// Whether a value is none, of whatever type.
pub fn is_null(value: &Value) -> bool {
    *value == value.as_null()
}
