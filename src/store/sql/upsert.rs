//! Multi-row upserts with the merge rules: the SQL twin of `change/merge.rs`.
//!
//! Uniqueness is the database's: nothing is selected to decide what to insert. Rows come in the
//! canonical order of their keys, so that two workers lock them in the same order.
//!
//! MySQL evaluates assignments from left to right: within a rule, columns come before the version
//! that decides about them, and a rule that looks at other columns comes before theirs.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use super::arrays::{arrays, nullable, unnest};
use super::chunks::fitting;
use super::dialect::Dialect;

/// An upsert into one table.
pub(in crate::store) struct Upsert {
    dialect: Dialect,
    table: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static str],
    assignments: Vec<(&'static str, String)>,
}

impl Upsert {
    /// Inserts `columns`, of which `key` is unique. Without rules a row that is there stays as is.
    pub(in crate::store) fn new(
        dialect: Dialect,
        table: &'static str,
        key: &'static [&'static str],
        columns: &'static [&'static str],
    ) -> Self {
        Self { dialect, table, key, columns, assignments: Vec::new() }
    }

    /// `then` when `condition` holds, with `new(c)` and `old(c)` for the two rows; else unchanged.
    pub(in crate::store) fn when(mut self, condition: &str, columns: &[&'static str]) -> Self {
        for column in columns {
            let (new, old) = (self.new_value(column), self.old_value(column));
            let sql = format!("CASE WHEN {condition} THEN {new} ELSE {old} END");
            self.assignments.push((column, sql));
        }
        self
    }

    /// A register: a higher version replaces its columns, then the version itself.
    pub(in crate::store) fn register(
        self,
        version: &'static str,
        columns: &[&'static str],
    ) -> Self {
        let newer = format!("{} > {}", self.new_value(version), self.old_value(version));
        self.when(&newer, columns).when(&newer, &[version])
    }

    /// Only forward: the higher one stays.
    pub(in crate::store) fn latest(self, column: &'static str) -> Self {
        self.better(column, ">")
    }

    /// The earliest one stays.
    pub(in crate::store) fn earliest(self, column: &'static str) -> Self {
        self.better(column, "<")
    }

    fn better(self, column: &'static str, comparison: &str) -> Self {
        let (new, old) = (self.new_value(column), self.old_value(column));
        self.when(&format!("{old} IS NULL OR {new} {comparison} {old}"), &[column])
    }

    /// The column takes the new value whatever was there.
    pub(in crate::store) fn replace(mut self, column: &'static str) -> Self {
        self.assignments.push((column, self.new_value(column)));
        self
    }

    /// The column takes what an expression says.
    pub(in crate::store) fn assign(mut self, column: &'static str, sql: String) -> Self {
        self.assignments.push((column, sql));
        self
    }

    /// The value that was to be inserted, in SQL.
    pub(in crate::store) fn new_value(&self, column: &str) -> String {
        self.dialect.incoming(column)
    }

    /// The value that is there, in SQL.
    pub(in crate::store) fn old_value(&self, column: &str) -> String {
        self.dialect.stored(self.table, column)
    }

    /// Writes rows, each with the values of all columns in their order.
    pub(in crate::store) async fn run(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbErr> {
        for part in self.parts(rows) {
            db.execute_raw(self.statement(part, "")).await?;
        }
        Ok(())
    }

    /// The same; returns columns of these rows as they are then. Only for upserts that have rules, on
    /// databases that can.
    pub(in crate::store) async fn run_returning(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<Vec<Value>>,
        columns: &[&str],
    ) -> Result<Vec<QueryResult>, DbErr> {
        let returning = format!(" RETURNING {}", columns.join(", "));
        let mut returned = Vec::with_capacity(rows.len());
        for part in self.parts(rows) {
            returned.extend(db.query_all_raw(self.statement(part, &returning)).await?);
        }
        Ok(returned)
    }

    /// As many rows as go into one statement each time.
    fn parts(&self, rows: Vec<Vec<Value>>) -> impl Iterator<Item = Vec<Vec<Value>>> {
        let mut rest = rows;
        std::iter::from_fn(move || {
            let count = match self.dialect {
                Dialect::Postgres => fitting(&rest),
                Dialect::Sqlite | Dialect::MySql => power_of_two(fitting(&rest)),
            };
            let later = rest.split_off(count);
            let part = std::mem::replace(&mut rest, later);
            (!part.is_empty()).then_some(part)
        })
    }

    fn statement(&self, rows: Vec<Vec<Value>>, end: &str) -> Statement {
        let (table, columns) = (self.table, self.columns.join(", "));
        let (source, values) = match self.dialect {
            Dialect::Postgres => (self.from_arrays(), arrays(rows)),
            Dialect::Sqlite | Dialect::MySql => {
                let source = self.from_list(rows.len());
                let values = rows.into_iter().flatten().map(|value| self.dialect.bind(value));
                (source, values.collect())
            }
        };
        let sql = format!("INSERT INTO {table} ({columns}) {source} {}{end}", self.conflict());
        Statement::from_sql_and_values(self.dialect.backend(), sql, values)
    }

    fn from_arrays(&self) -> String {
        let expression = |(place, column)| {
            let is_key = self.key.contains(column);
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
    pub(in crate::store) fn conflict(&self) -> String {
        let rules = self.assignments.iter().map(|(column, sql)| format!("{column} = {sql}"));
        let rules = rules.collect::<Vec<String>>().join(", ");
        match self.dialect {
            // Naming a column makes MySQL assign it to itself: its IGNORE would hide other errors.
            Dialect::MySql if rules.is_empty() => {
                format!("ON DUPLICATE KEY UPDATE {0} = {0}", self.key[0])
            }
            Dialect::MySql => format!("ON DUPLICATE KEY UPDATE {rules}"),
            _ if rules.is_empty() => format!("ON CONFLICT ({}) DO NOTHING", self.key.join(", ")),
            _ => format!("ON CONFLICT ({}) DO UPDATE SET {rules}", self.key.join(", ")),
        }
    }

    /// The table's name.
    pub(in crate::store) fn table(&self) -> &'static str {
        self.table
    }

    /// The columns of its natural key.
    pub(in crate::store) fn key(&self) -> &'static [&'static str] {
        self.key
    }

    /// The columns that are written.
    pub(in crate::store) fn columns(&self) -> &'static [&'static str] {
        self.columns
    }
}

/// The largest power of two up to a number: few texts, which the databases and the driver keep
/// prepared.
fn power_of_two(number: usize) -> usize {
    number.checked_ilog2().map_or(0, |bits| 1 << bits)
}
