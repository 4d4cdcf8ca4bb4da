//! Holds the modules to what ARCHITECTURE.md says that they may import.
//!
//! Two tables there say it, one of the crate's modules and one of the rooms of `store`. A module that they
//! don't know, an import that they don't allow, and a line of them that nobody uses fail the test.

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
    assert_eq!(table.upward(), Vec::<Edge>::new(), "a room imports only rooms above its line");
}

#[test]
fn each_kind_of_problem_is_found() {
    let table = ImportTable::read("```imports things\na:\nb: a\ngone: a\n```\n", "things");
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let modules = ["a", "b", "new"].map(str::to_owned).into();
    let used = BTreeSet::from([edge("a", "b")]);
    let expected = [
        "`new` is not in the table",
        "`gone` is in the table and nowhere else",
        "`a` must not import `b`",
        "`b` may import `a` and does not",
        "`gone` may import `a` and does not",
    ];
    assert_eq!(table.problems(&imports::Found { modules, used }), expected);
}
