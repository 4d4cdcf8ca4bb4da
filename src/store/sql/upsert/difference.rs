//! What a merge changes: where no value differs a row is not written, and the time of its last change moves
//! only where one differs that an application sees.

use sea_orm::{EntityTrait, IdenStatic};

use super::Upsert;
use crate::store::sql::dialect::Dialect;

/// What a column becomes.
pub(super) struct Rule<C> {
    pub(super) column: C,
    /// When; else it stays as it is. None: always.
    pub(super) condition: Option<String>,
    /// What, in SQL.
    pub(super) value: String,
}

/// Columns that only decide about others. A newer version of the same value is written, because it decides
/// about what comes late, and is no change to an application.
pub(in crate::store) fn is_bookkeeping(column: &str) -> bool {
    // The release of WAHA is the only version that people know.
    let is_version = column.ends_with("version") && column != "waha_version";
    is_version || column.ends_with("_rank") || column == "is_amended"
}

impl<E: EntityTrait> Upsert<E> {
    /// The assignments. The time comes first: MySQL's others change what it looks at.
    pub(super) fn assignments(&self) -> String {
        let touched = self.touched.map(|column| {
            let (new, old) = (self.new_value(column), self.old_value(column));
            let differs = self.difference(|rule| !is_bookkeeping(rule.column.as_str()));
            format!("{} = CASE WHEN {differs} THEN {new} ELSE {old} END", column.as_str())
        });
        let assignment = |rule: &Rule<E::Column>| {
            let (column, value) = (rule.column.as_str(), &rule.value);
            match &rule.condition {
                Some(condition) => {
                    let old = self.old_value(rule.column);
                    format!("{column} = CASE WHEN {condition} THEN {value} ELSE {old} END")
                }
                None => format!("{column} = {value}"),
            }
        };
        let assignments = touched.into_iter().chain(self.rules.iter().map(assignment));
        assignments.collect::<Vec<String>>().join(", ")
    }

    /// That a row is written only where something differs; MySQL sees to that itself.
    pub(super) fn difference_condition(&self) -> String {
        match self.touched {
            Some(_) => format!(" WHERE {}", self.difference(|_| true)),
            None => String::new(),
        }
    }

    /// Whether the merge changes one of the columns `counts`.
    fn difference(&self, counts: impl Fn(&Rule<E::Column>) -> bool) -> String {
        let rules: Vec<&Rule<E::Column>> = self.rules.iter().filter(|rule| counts(rule)).collect();
        let groups = rules.chunk_by(|one, other| one.condition == other.condition);
        let any = |group: &[&Rule<E::Column>]| {
            let differing = group.iter().map(|rule| self.differs(rule));
            let differing = differing.collect::<Vec<String>>().join(" OR ");
            match &group[0].condition {
                Some(condition) => format!("(({condition}) AND ({differing}))"),
                None => differing,
            }
        };
        let groups: Vec<String> = groups.map(any).collect();
        if groups.is_empty() { "1 = 0".to_owned() } else { groups.join(" OR ") }
    }

    /// Two nulls are equal.
    fn differs(&self, rule: &Rule<E::Column>) -> String {
        let (new, old) = (&rule.value, self.old_value(rule.column));
        match self.merging.dialect {
            Dialect::Postgres => format!("({new}) IS DISTINCT FROM {old}"),
            Dialect::Sqlite => format!("({new}) IS NOT {old}"),
            Dialect::MySql => format!("NOT (({new}) <=> {old})"),
        }
    }
}
