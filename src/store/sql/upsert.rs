//! Multi-row upserts with the merge rules: the SQL twin of `change/merge.rs`.
//!
//! Uniqueness is the database's: nothing is selected to decide what to insert. Rows come in the
//! canonical order of their keys, so that two workers lock them in the same order.
//!
//! MySQL evaluates assignments from left to right: within a rule, columns come before the version
//! that decides about them, and a rule that looks at other columns comes before theirs.

//!
//! A row is written only where a value differs, and `updated_at` moves only where one differs that an
//! application sees (`difference`): an update that changes nothing costs the database as much as any other,
//! and whoever follows `updated_at` would read everything again. `changed` says which rows changed.

mod changed;
mod difference;

use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IdenStatic, Iterable,
    PrimaryKeyToColumn, QueryResult, Statement, Value,
};

use super::arrays::{arrays, nullable, unnest};
use super::chunks::fitting;
use super::dialect::Dialect;
use super::merging::Merging;
use difference::Rule;

pub(in crate::store) use changed::UPDATED_AT;
pub(in crate::store) use difference::is_bookkeeping;

/// Filled by the database, as are primary keys.
const FILLED: &str = "created_at";

/// An upsert into the table of an entity.
pub(in crate::store) struct Upsert<E: EntityTrait> {
    merging: Merging,
    key: &'static [E::Column],
    columns: Vec<E::Column>,
    rules: Vec<Rule<E::Column>>,
    /// The column with the time of the last change.
    touched: Option<E::Column>,
}

/// An upsert without its types: the merge rules of a table.
pub(in crate::store) struct MergeRules {
    pub(in crate::store) table: &'static str,
    /// The columns of its natural key.
    pub(in crate::store) key: Vec<&'static str>,
    /// The columns that are written, those of the key included.
    pub(in crate::store) columns: Vec<&'static str>,
    /// The rules, as the end of an INSERT.
    pub(in crate::store) conflict: String,
}

impl<E: EntityTrait> Upsert<E> {
    /// Inserts all columns but those that the database fills; those of `key` are unique. Without rules
    /// a row that is there stays as is.
    pub(in crate::store) fn new(merging: impl Into<Merging>, key: &'static [E::Column]) -> Self {
        let merging = merging.into();
        let primary: Vec<&str> =
            E::PrimaryKey::iter().map(|key| key.into_column().as_str()).collect();
        let is_filled = |column: &E::Column| {
            let name = column.as_str();
            name == FILLED || (primary.contains(&name) && !contains(key, column))
        };
        let columns = E::Column::iter().filter(|column| !is_filled(column)).collect();
        Self { merging, key, columns, rules: Vec::new(), touched: None }
    }

    /// Leaves columns to others.
    pub(in crate::store) fn without(mut self, columns: &[E::Column]) -> Self {
        self.columns.retain(|column| !contains(columns, column));
        self
    }

    /// Leaves all but these columns to others.
    pub(in crate::store) fn only(mut self, columns: &[E::Column]) -> Self {
        self.columns.retain(|column| contains(columns, column));
        self
    }

    /// `then` when `condition` holds, with `new(c)` and `old(c)` for the two rows; else unchanged.
    pub(in crate::store) fn when(mut self, condition: &str, columns: &[E::Column]) -> Self {
        for column in columns {
            let value = self.new_value(*column);
            self.rules.push(Rule { column: *column, condition: Some(condition.to_owned()), value });
        }
        self
    }

    /// A register: a higher version replaces its columns, then the version itself.
    pub(in crate::store) fn register(self, version: E::Column, columns: &[E::Column]) -> Self {
        let newer = self.is_newer(version, &self.old_value(version));
        self.when(&newer, columns).when(&newer, &[version])
    }

    /// Whether a telling under the new version replaces one under `old`.
    pub(in crate::store) fn is_newer(&self, version: E::Column, old: &str) -> String {
        format!("{} {} {old}", self.new_value(version), self.merging.newer())
    }

    /// The same where the earliest telling stays.
    pub(in crate::store) fn is_earlier(&self, version: E::Column) -> String {
        let (new, old) = (self.new_value(version), self.old_value(version));
        format!("{new} {} {old}", self.merging.earlier())
    }

    /// A register that was part of another one: in rows of a release before, `version` is null and that of
    /// the other register, `former`, holds. Comes before the rules of the other register.
    pub(in crate::store) fn register_once_in(
        self,
        version: E::Column,
        former: E::Column,
        columns: &[E::Column],
    ) -> Self {
        let new = self.new_value(version);
        let old = self.version_once_in(version, former);
        let newer = self.is_newer(version, &old);
        self.when(&newer, columns)
            .assign(version, format!("CASE WHEN {newer} THEN {new} ELSE {old} END"))
    }

    /// The stored version of a register that was part of another one.
    pub(in crate::store) fn version_once_in(
        &self,
        version: E::Column,
        former: E::Column,
    ) -> String {
        format!("COALESCE({}, {})", self.old_value(version), self.old_value(former))
    }

    /// Only forward: the higher one stays.
    pub(in crate::store) fn latest(self, column: E::Column) -> Self {
        self.better(column, ">")
    }

    /// A time and the id of what was then, together: only forward, and of two ids of one time the larger
    /// one stays. An id that is null is smaller than any.
    pub(in crate::store) fn further(self, time: E::Column, id: E::Column) -> Self {
        let further = self.is_further(time, id);
        // The id first: of one time, the time stays the same.
        self.when(&further, &[id, time])
    }

    /// Whether the new pair of a time and an id is further than the one that is there.
    pub(in crate::store) fn is_further(&self, time: E::Column, id: E::Column) -> String {
        let [new, old] = [self.new_value(time), self.old_value(time)];
        let [new_id, old_id] = [self.new_value(id), self.old_value(id)];
        let larger = format!(
            "{} > {}",
            self.merging.dialect.by_bytes(&new_id),
            self.merging.dialect.by_bytes(&old_id)
        );
        format!(
            "{old} IS NULL OR {new} > {old} OR ({new} = {old} AND ({old_id} IS NULL OR {larger}))"
        )
    }

    /// The earliest one stays.
    pub(in crate::store) fn earliest(self, column: E::Column) -> Self {
        self.better(column, "<")
    }

    fn better(self, column: E::Column, comparison: &str) -> Self {
        let (new, old) = (self.new_value(column), self.old_value(column));
        self.when(&format!("{old} IS NULL OR {new} {comparison} {old}"), &[column])
    }

    /// The column takes the new value whatever was there.
    pub(in crate::store) fn replace(self, column: E::Column) -> Self {
        let value = self.new_value(column);
        self.assign(column, value)
    }

    /// The column takes the new time where something changes that an application sees. Where nothing at all
    /// differs the row is not written.
    pub(in crate::store) fn touch(mut self, column: E::Column) -> Self {
        self.touched = Some(column);
        self
    }

    /// All columns but those of the key and these take the new value whatever was there.
    pub(in crate::store) fn replace_all_but(self, columns: &[E::Column]) -> Self {
        let is_kept = |it: &E::Column| contains(self.key, it) || contains(columns, it);
        let replaced: Vec<E::Column> =
            self.columns.iter().copied().filter(|column| !is_kept(column)).collect();
        replaced.into_iter().fold(self, Self::replace)
    }

    /// The column takes what an expression says.
    pub(in crate::store) fn assign(mut self, column: E::Column, sql: String) -> Self {
        self.rules.push(Rule { column, condition: None, value: sql });
        self
    }

    /// The value that was to be inserted, in SQL.
    pub(in crate::store) fn new_value(&self, column: E::Column) -> String {
        self.merging.dialect.incoming(column.as_str())
    }

    /// The value that is there, in SQL.
    pub(in crate::store) fn old_value(&self, column: E::Column) -> String {
        self.merging.dialect.stored(E::default().table_name(), column.as_str())
    }

    /// Writes rows; fails with `AttrNotSet` if one lacks a column that is to be written.
    pub(in crate::store) async fn run(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<E::ActiveModel>,
    ) -> Result<(), DbErr> {
        for part in self.parts(rows)? {
            db.execute_raw(self.statement(part, "")).await?;
        }
        Ok(())
    }

    /// The same; returns columns of these rows as they are then. Only for upserts that have rules, on
    /// databases that can.
    pub(in crate::store) async fn run_returning(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<E::ActiveModel>,
        columns: &[&str],
    ) -> Result<Vec<QueryResult>, DbErr> {
        let returning = format!(" RETURNING {}", columns.join(", "));
        let mut returned = Vec::with_capacity(rows.len());
        for part in self.parts(rows)? {
            returned.extend(db.query_all_raw(self.statement(part, &returning)).await?);
        }
        Ok(returned)
    }

    /// As many rows as go into one statement each time.
    fn parts(
        &self,
        rows: Vec<E::ActiveModel>,
    ) -> Result<impl Iterator<Item = Vec<Vec<Value>>>, DbErr> {
        let mut rest: Vec<Vec<Value>> =
            rows.into_iter().map(|row| self.values(row)).collect::<Result<_, _>>()?;
        let dialect = self.merging.dialect;
        Ok(std::iter::from_fn(move || {
            let count = match dialect {
                Dialect::Postgres => fitting(&rest),
                Dialect::Sqlite | Dialect::MySql => power_of_two(fitting(&rest)),
            };
            let later = rest.split_off(count);
            let part = std::mem::replace(&mut rest, later);
            (!part.is_empty()).then_some(part)
        }))
    }

    /// The values of a row, in the order of the columns.
    fn values(&self, mut row: E::ActiveModel) -> Result<Vec<Value>, DbErr> {
        let value = |column: &E::Column| {
            let value = row.take(*column).into_value();
            value.ok_or_else(|| DbErr::AttrNotSet(column.as_str().to_owned()))
        };
        self.columns.iter().map(value).collect()
    }

    fn statement(&self, rows: Vec<Vec<Value>>, end: &str) -> Statement {
        let table = E::default().table_name();
        let columns = names(&self.columns).join(", ");
        let (source, values) = match self.merging.dialect {
            Dialect::Postgres => (self.from_arrays(), arrays(rows)),
            Dialect::Sqlite | Dialect::MySql => {
                let source = self.from_list(rows.len());
                let values =
                    rows.into_iter().flatten().map(|value| self.merging.dialect.bind(value));
                (source, values.collect())
            }
        };
        let sql = format!("INSERT INTO {table} ({columns}) {source} {}{end}", self.conflict());
        Statement::from_sql_and_values(self.merging.dialect.backend(), sql, values)
    }

    fn from_arrays(&self) -> String {
        let expression = |(place, column)| {
            let is_key = contains(self.key, column);
            if is_key { format!("r.c{place}") } else { nullable(place) }
        };
        let columns: Vec<String> = self.columns.iter().enumerate().map(expression).collect();
        format!("SELECT {} FROM {}", columns.join(", "), unnest(columns.len()))
    }

    fn from_list(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        format!("VALUES {}", vec![row; rows].join(", "))
    }

    /// The merge rules.
    fn conflict(&self) -> String {
        let key = names(self.key);
        let rules = self.assignments();
        match self.merging.dialect {
            // Naming a column makes MySQL assign it to itself: its IGNORE would hide other errors.
            Dialect::MySql if rules.is_empty() => {
                format!("ON DUPLICATE KEY UPDATE {0} = {0}", key[0])
            }
            Dialect::MySql => format!("ON DUPLICATE KEY UPDATE {rules}"),
            _ if rules.is_empty() => format!("ON CONFLICT ({}) DO NOTHING", key.join(", ")),
            _ => {
                let which = self.difference_condition();
                format!("ON CONFLICT ({}) DO UPDATE SET {rules}{which}", key.join(", "))
            }
        }
    }

    /// The same rules, to be applied to rows that are there already.
    pub(in crate::store) fn rules(&self) -> MergeRules {
        MergeRules {
            table: E::default().table_name(),
            key: names(self.key),
            columns: names(&self.columns),
            conflict: self.conflict(),
        }
    }

    /// Columns that are inserted and then stay.
    #[cfg(test)]
    pub(in crate::store) fn without_rule(&self) -> Vec<&'static str> {
        let assigned: Vec<E::Column> =
            self.rules.iter().map(|rule| rule.column).chain(self.touched).collect();
        let has_rule =
            |column: &E::Column| contains(self.key, column) || contains(&assigned, column);
        let rest: Vec<E::Column> =
            self.columns.iter().copied().filter(|column| !has_rule(column)).collect();
        names(&rest)
    }
}

fn names<C: IdenStatic>(columns: &[C]) -> Vec<&'static str> {
    columns.iter().map(IdenStatic::as_str).collect()
}

fn contains<C: IdenStatic>(columns: &[C], column: &C) -> bool {
    columns.iter().any(|other| other.as_str() == column.as_str())
}

/// The largest power of two up to a number: few texts, which the databases and the driver keep
/// prepared.
fn power_of_two(number: usize) -> usize {
    number.checked_ilog2().map_or(0, |bits| 1 << bits)
}
