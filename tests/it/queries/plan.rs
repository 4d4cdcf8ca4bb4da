//! How a database would answer a query.

use std::fmt;

use sea_orm::{DatabaseConnection, DbBackend, QueryResult};

use super::rows;

/// Tables that grow with the traffic: nothing that is asked often may read one whole.
const BIG: [&str; 6] = [
    "waha_messages",
    "waha_reactions",
    "waha_message_edits",
    "waha_chat_labels",
    "chat_reads",
    "waha_contacts",
];

/// Tables of a few rows, which are read whole whatever indexes there are.
const SMALL: [&str; 2] = ["waha_sessions", "waha_feed"];

/// Whether a query reads such tables only.
pub fn is_small(sql: &str) -> bool {
    aliases(sql).iter().all(|(table, _)| SMALL.contains(&table.as_str()))
}

/// A plan, one step a line.
pub struct Plan {
    backend: DbBackend,
    steps: Vec<String>,
}

impl Plan {
    pub async fn of(db: &DatabaseConnection, sql: &str) -> Self {
        let backend = db.get_database_backend();
        let explain = match backend {
            DbBackend::Sqlite => "EXPLAIN QUERY PLAN",
            // MySQL draws a tree unless asked for a table.
            DbBackend::MySql => "EXPLAIN FORMAT=TRADITIONAL",
            _ => "EXPLAIN",
        };
        let steps = rows(db, &format!("{explain} {sql}")).await;
        Self { backend, steps: steps.iter().map(|row| step(backend, row)).collect() }
    }

    pub fn uses(&self, index: &str) -> bool {
        let keys = ["_pkey", "PRIMARY"];
        if index == "PRIMARY KEY" {
            return self.steps.iter().any(|step| keys.iter().any(|key| step.contains(key)));
        }
        self.steps.iter().any(|step| step.split([' ', ',']).any(|word| word == index))
    }

    /// A big table all of whose rows are read.
    pub fn reads_whole(&self, sql: &str) -> Option<&'static str> {
        let aliases = aliases(sql);
        BIG.into_iter().find(|table| {
            let alias = aliases.iter().filter(|(name, _)| name == table);
            alias
                .into_iter()
                .any(|(_, alias)| self.steps.iter().any(|it| self.is_scan(it, table, alias)))
        })
    }

    fn is_scan(&self, step: &str, table: &str, alias: &str) -> bool {
        match self.backend {
            DbBackend::Sqlite => step.split(' ').take(2).eq(["SCAN", alias]),
            DbBackend::MySql => {
                step.starts_with(&format!("{alias} ALL "))
                    || step.starts_with(&format!("{alias} index "))
            }
            _ => step.contains(&format!("Seq Scan on {table} ")),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.steps.join("\n"))
    }
}

fn step(backend: DbBackend, row: &QueryResult) -> String {
    let text = |column: &str| -> String {
        row.try_get::<Option<String>>("", column).unwrap().unwrap_or_default()
    };
    match backend {
        DbBackend::Sqlite => text("detail"),
        DbBackend::MySql => format!("{} {} {}", text("table"), text("type"), text("key")),
        _ => text("QUERY PLAN"),
    }
}

/// The tables of a query and what it calls them.
fn aliases(sql: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let named = words.windows(3).filter(|three| matches!(three[0], "FROM" | "JOIN"));
    named.map(|three| (three[1].to_owned(), three[2].to_owned())).collect()
}
