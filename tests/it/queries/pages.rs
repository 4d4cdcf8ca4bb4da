//! Reads a query of the document page by page, as an application does: each page begins behind the time and
//! the id of the last row.

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{DatabaseConnection, DbBackend, QueryResult};

use super::rows;

/// Rows of a page: what is odd finds what is lost between two.
const PAGE: usize = 37;
/// Where the first page begins, as printed.
const NEWEST: (&str, &str) = ("'9999-12-31'", "< 9223372036854775807");
const OLDEST: (&str, &str) = ("'1970-01-01'", "> 0");
/// The first of all texts.
const FIRST: &str = "> ''";

/// A query that is read by pages.
pub struct Paged {
    pub title: &'static str,
    /// What it is ordered by before the id, if anything.
    pub time: Option<&'static str>,
    /// What names a row, and is where the next page begins.
    pub id: &'static str,
}

impl Paged {
    fn id_of(&self, row: &QueryResult) -> String {
        let number = row.try_get::<i64>("", self.id).map(|id| id.to_string());
        number.unwrap_or_else(|_| format!("'{}'", row.try_get::<String>("", self.id).unwrap()))
    }
}

/// The ids of all rows, in the order of the pages.
pub async fn ids(db: &DatabaseConnection, sql: &str, paged: &Paged) -> Vec<String> {
    let (time, id) = match sql {
        _ if sql.contains(NEWEST.1) => NEWEST,
        _ if sql.contains(FIRST) => (OLDEST.0, FIRST),
        _ => OLDEST,
    };
    let sql = limited(sql, Some(PAGE));
    let (mut ids, mut page) = (Vec::new(), rows(db, &sql).await);
    while let Some(last) = page.last() {
        let at = paged.time.map(|column| literal(last, column, db.get_database_backend()));
        let last = paged.id_of(last);
        ids.extend(ids_of(&page, paged));
        let next = sql.replace(id, &format!("{} {last}", &id[..1]));
        page = rows(db, &at.map_or(next.clone(), |at| next.replace(time, &at))).await;
    }
    ids
}

/// The ids of all rows in one page.
pub async fn all_ids(db: &DatabaseConnection, sql: &str, paged: &Paged) -> Vec<String> {
    ids_of(&rows(db, &limited(sql, None)).await, paged)
}

fn ids_of(page: &[QueryResult], paged: &Paged) -> Vec<String> {
    page.iter().map(|row| paged.id_of(row)).collect()
}

/// The same query the other way, as the document says.
pub fn backwards(sql: &str) -> String {
    let sql = sql.replace(" DESC", "");
    let (time, id) = NEWEST;
    let sql = sql.replace(&format!("<= {time}"), &format!(">= {}", OLDEST.0));
    let sql = sql.replace(&format!("< {time}"), &format!("> {}", OLDEST.0));
    sql.replace(id, OLDEST.1)
}

/// With another number of rows in a page; none takes the limit away.
fn limited(sql: &str, count: Option<usize>) -> String {
    let limit = count.map_or_else(String::new, |count| format!("LIMIT {count}"));
    let printed = ["LIMIT 500", "LIMIT 100", "LIMIT 50"];
    let sql = printed.iter().fold(sql.to_owned(), |sql, it| sql.replace(it, &limit));
    assert!(sql.contains(&limit), "{sql}");
    sql
}

/// A time as it is bound: with its microseconds, in SQLite as the text that is in the table.
fn literal(row: &QueryResult, column: &str, backend: DbBackend) -> String {
    let time = || row.try_get::<DateTime<Utc>>("", column).unwrap();
    match backend {
        DbBackend::Sqlite => format!("'{}'", row.try_get::<String>("", column).unwrap()),
        DbBackend::MySql => format!("'{}'", time().format("%Y-%m-%d %H:%M:%S%.6f")),
        _ => format!("'{}'", time().to_rfc3339_opts(SecondsFormat::Micros, true)),
    }
}
