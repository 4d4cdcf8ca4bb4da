//! Multi-row upserts with the merge rules: the SQL twin of `change/merge.rs`.
//!
//! Uniqueness is the database's: nothing is selected to decide what to insert. Rows come in the
//! canonical order of their keys, so that two workers lock them in the same order.
//!
//! MySQL evaluates assignments from left to right: within a rule, columns come before the version
//! that decides about them, and a rule that looks at other columns comes before theirs.

use sea_orm::sea_query::{Alias, Expr, InsertStatement, OnConflict};
use sea_orm::{ConnectionTrait, DbErr, Value};

use super::chunk::rows_max;
use super::dialect::Dialect;

/// An upsert into one table.
pub(super) struct Upsert {
    dialect: Dialect,
    table: &'static str,
    key: &'static [&'static str],
    columns: &'static [&'static str],
    assignments: Vec<(&'static str, String)>,
}

impl Upsert {
    /// Inserts `columns`, of which `key` is unique. Without rules a row that is there stays as is.
    pub(super) fn new(
        dialect: Dialect,
        table: &'static str,
        key: &'static [&'static str],
        columns: &'static [&'static str],
    ) -> Self {
        Self { dialect, table, key, columns, assignments: Vec::new() }
    }

    /// `then` when `condition` holds, with `new(c)` and `old(c)` for the two rows; else unchanged.
    pub(super) fn when(mut self, condition: &str, columns: &[&'static str]) -> Self {
        for column in columns {
            let (new, old) = (self.new_value(column), self.old_value(column));
            let sql = format!("CASE WHEN {condition} THEN {new} ELSE {old} END");
            self.assignments.push((column, sql));
        }
        self
    }

    /// A register: a higher version replaces its columns, then the version itself.
    pub(super) fn register(self, version: &'static str, columns: &[&'static str]) -> Self {
        let newer = format!("{} > {}", self.new_value(version), self.old_value(version));
        self.when(&newer, columns).when(&newer, &[version])
    }

    /// Only forward: the higher one stays.
    pub(super) fn latest(self, column: &'static str) -> Self {
        self.better(column, ">")
    }

    /// The earliest one stays.
    pub(super) fn earliest(self, column: &'static str) -> Self {
        self.better(column, "<")
    }

    fn better(self, column: &'static str, comparison: &str) -> Self {
        let (new, old) = (self.new_value(column), self.old_value(column));
        self.when(&format!("{old} IS NULL OR {new} {comparison} {old}"), &[column])
    }

    /// The column takes the new value whatever was there.
    pub(super) fn replace(mut self, column: &'static str) -> Self {
        self.assignments.push((column, self.new_value(column)));
        self
    }

    /// The column takes what an expression says.
    pub(super) fn assign(mut self, column: &'static str, sql: String) -> Self {
        self.assignments.push((column, sql));
        self
    }

    /// The value that was to be inserted, in SQL.
    pub(super) fn new_value(&self, column: &str) -> String {
        self.dialect.incoming(column)
    }

    /// The value that is there, in SQL.
    pub(super) fn old_value(&self, column: &str) -> String {
        self.dialect.stored(self.table, column)
    }

    /// Writes rows, each with the values of all columns in their order.
    pub(super) async fn run(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), DbErr> {
        let rows_max = rows_max(self.columns.len());
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            db.execute(&self.statement(rows.by_ref().take(rows_max))).await?;
        }
        Ok(())
    }

    fn statement(&self, rows: impl Iterator<Item = Vec<Value>>) -> InsertStatement {
        let mut insert = InsertStatement::new();
        insert.into_table(Alias::new(self.table));
        insert.columns(self.columns.iter().map(|column| Alias::new(*column)));
        for row in rows {
            insert.values_panic(row.into_iter().map(|value| Expr::val(self.dialect.bind(value))));
        }
        insert.on_conflict(self.on_conflict());
        insert
    }

    /// The table's name.
    pub(super) fn table(&self) -> &'static str {
        self.table
    }

    /// The columns of its natural key.
    pub(super) fn key(&self) -> &'static [&'static str] {
        self.key
    }

    /// The columns that are written.
    pub(super) fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    /// The merge rules.
    pub(super) fn on_conflict(&self) -> OnConflict {
        let mut conflict = OnConflict::columns(self.key.iter().map(|column| Alias::new(*column)));
        if self.assignments.is_empty() {
            // Naming the key makes MySQL assign it to itself: its IGNORE would hide other errors.
            conflict.do_nothing_on(self.key.iter().map(|column| Alias::new(*column)));
        }
        for (column, sql) in &self.assignments {
            conflict.value(Alias::new(*column), Expr::cust(sql.clone()));
        }
        conflict
    }
}
