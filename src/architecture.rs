//! Holds the modules to what ARCHITECTURE.md says that they may import.
//!
//! Two tables there say it, one of the crate's modules and one of the rooms of `store`. A module that they
//! don't know, an import that they don't allow, a line of them that nobody uses, and an import of what does
//! not stand above fail the test. So no table can hold a circle.

mod imports;
mod table;

use std::collections::BTreeSet;

use imports::Imports;
use table::ImportTable;

const PAGE: &str = include_str!("ARCHITECTURE.md");

/// An import of one module by another.
type Edge = (String, String);

#[test]
fn modules_import_what_their_table_allows() {
    let table = ImportTable::read(PAGE, "modules");
    assert_eq!(table.problems(&Imports::of_crate().between_modules()), Vec::<String>::new());
}

#[test]
fn rooms_of_the_store_import_what_their_table_allows() {
    let table = ImportTable::read(PAGE, "rooms");
    assert_eq!(table.problems(&Imports::of_crate().between_rooms("store")), Vec::<String>::new());
}

#[test]
fn each_kind_of_problem_is_found() {
    let table = ImportTable::read("```imports things\na: b\nb: a\ngone: a\n```\n", "things");
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let modules = ["a", "b", "new"].map(str::to_owned).into();
    let used = BTreeSet::from([edge("a", "b"), edge("b", "gone")]);
    let expected = [
        "`new` is not in the table",
        "`gone` is in the table and nowhere else",
        "`b` must not import `gone`",
        "`b` may import `a` and does not",
        "`gone` may import `a` and does not",
        "`a` imports `b`, which does not stand above it",
    ];
    assert_eq!(table.problems(&imports::Found { modules, used }), expected);
}
