//! Which columns hold data of persons, and of what kind: what retention and archive touch, and what has to be found
//! when somebody asks to be forgotten. Each entity's file marks its own.
//!
//! Unclear cases are marked: an id that leads to a person is a person's, and so is a text that may hold anything.

#[cfg(test)]
use std::collections::BTreeSet;

use super::MARKS;

/// What a column tells of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PersonalData {
    /// Who it is: numbers, WhatsApp ids, and ids that lead there.
    Identity,
    /// What they call themselves, or are called.
    Name,
    /// What they wrote, said, sent or chose.
    Content,
    /// What they did and when: read, called, were a member.
    Behaviour,
    /// Who works with the application or operates it.
    Staff,
}

impl PersonalData {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Identity, Self::Name, Self::Content, Self::Behaviour, Self::Staff];

    /// For plans and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Name => "name",
            Self::Content => "content",
            Self::Behaviour => "behaviour",
            Self::Staff => "staff",
        }
    }
}

/// The columns of a table by what they hold; none: nothing of a person.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// The table.
    pub table: &'static str,
    /// All of its columns.
    pub columns: &'static [(Option<PersonalData>, &'static [&'static str])],
}

/// The marks of a table; none if there is no such table.
pub fn marks(table: &str) -> Option<&'static Marks> {
    MARKS.iter().find(|marks| marks.table == table)
}

/// What a column of a table holds; none if it is nothing of a person, or not there.
pub fn personal_data(table: &str, column: &str) -> Option<PersonalData> {
    let (kind, _) = marks(table)?.columns.iter().find(|(_, names)| names.contains(&column))?;
    *kind
}

/// Of what kinds the data of persons in some tables is.
pub fn kinds<'a>(tables: impl IntoIterator<Item = &'a str>) -> Vec<PersonalData> {
    let marked = tables.into_iter().filter_map(marks);
    let mut kinds: Vec<PersonalData> =
        marked.flat_map(|marks| marks.columns).filter_map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[cfg(test)]
pub(super) fn columns_of<E: sea_orm::EntityTrait>() -> BTreeSet<&'static str> {
    use sea_orm::{IdenStatic, Iterable};
    E::Column::iter().map(|column| column.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_every_entity_is_marked_once() {
        for (table, columns) in crate::columns() {
            let marked = marks(table).unwrap_or_else(|| panic!("{table} is not marked"));
            let names: Vec<&str> =
                marked.columns.iter().flat_map(|(_, names)| names.iter().copied()).collect();
            let once: BTreeSet<&str> = names.iter().copied().collect();
            assert_eq!(once, columns, "the marked columns of {table}, and those that are there");
            assert_eq!(names.len(), once.len(), "a column of {table} is marked twice");
        }
    }

    #[test]
    fn every_module_is_a_table_of_the_list() {
        let tables: BTreeSet<&str> = crate::columns().into_iter().map(|(table, _)| table).collect();
        let modules = include_str!("lib.rs").lines();
        let modules = modules.filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        assert_eq!(tables, modules.filter(|module| *module != "personal").collect());
    }

    #[test]
    fn what_is_told_of_people_is_marked() {
        let content = Some(PersonalData::Content);
        assert_eq!(personal_data("waha_messages", "content"), content);
        assert_eq!(personal_data("webhook_bodies", "body"), content);
        assert_eq!(personal_data("waha_contacts", "phone"), Some(PersonalData::Identity));
        assert_eq!(personal_data("waha_messages", "id"), None);
        assert_eq!(kinds(["webhook_sums"]), []);
        assert_eq!(kinds(["waha_contacts"]), [PersonalData::Identity, PersonalData::Name]);
    }
}
