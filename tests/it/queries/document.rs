//! Reads `entity/README.md`: its queries, and the columns that it explains.

use std::collections::BTreeSet;

const TEXT: &str = include_str!("../../../entity/README.md");

/// A query of the document.
pub struct Query {
    pub title: String,
    /// Those that the text above it names.
    pub indexes: Vec<String>,
    pub sql: String,
}

/// Every block of SQL.
pub fn queries() -> Vec<Query> {
    let sections = TEXT.split("\n### ").filter(|section| section.contains("```sql\n"));
    sections.map(query).collect()
}

/// The one under a title.
pub fn query_of(title: &str) -> Query {
    queries().into_iter().find(|query| query.title == title).unwrap()
}

fn query(section: &str) -> Query {
    let (prose, rest) = section.split_once("```sql\n").unwrap();
    let (sql, _) = rest.split_once("```").unwrap();
    let names = prose.split('`').skip(1).step_by(2);
    let indexes = names.filter(|name| is_index(name));
    Query {
        title: prose.lines().next().unwrap().to_owned(),
        indexes: indexes.map(str::to_owned).collect(),
        sql: sql.trim().to_owned(),
    }
}

fn is_index(name: &str) -> bool {
    name.starts_with("idx_") || name.starts_with("uq_") || name == "PRIMARY KEY"
}

/// Every explained column as `table.column`.
pub fn columns() -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    let sections = TEXT.split("\n### `").skip(1).map(|section| section.split_once('`').unwrap());
    for (table, section) in sections {
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        for row in rows {
            let cell = row.split(" | ").next().unwrap();
            columns.extend(
                cell.split(['`', ',', ' '])
                    .filter(|name| !name.is_empty())
                    .map(|name| format!("{table}.{name}")),
            );
        }
    }
    columns
}
