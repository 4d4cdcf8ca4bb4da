//! Reads `entity/README.md`: its queries, and the columns that it explains.

use std::collections::BTreeSet;

use sea_orm::DatabaseConnection;

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

/// A query about a session, with its ids looked up as the document says.
pub async fn of_session(
    db: &DatabaseConnection,
    query: &Query,
    source: &str,
    session: &str,
) -> String {
    let id = query_of("A session's id").sql;
    let id = id.replace("'default'", &format!("'{source}'"));
    let found = super::rows(db, &id.replace("'shop'", &format!("'{session}'"))).await.remove(0);
    let (id, me): (i64, Option<String>) =
        (found.try_get("", "id").unwrap(), found.try_get("", "me_id").unwrap());
    let sql = query.sql.replace("1001", &id.to_string());
    sql.replace("12025550100@c.us", me.as_deref().unwrap_or("me"))
}

/// The one block in a language.
pub fn block(language: &str) -> String {
    let (_, rest) = TEXT.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.trim().to_owned()
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
