//! `waha_message_words` in the words of each database.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, Order};

use crate::search::SearchQuery;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

pub(super) const TABLE: &str = "waha_message_words";
const WORDS: &str = "words";
/// Bytes of words in one statement, about.
const STATEMENT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Letters of a key: what MySQL and MariaDB index of a word by default.
const KEY_BYTES_MAX: usize = 84;

/// A message and its words.
pub(super) type WordRow = (i64, BTreeSet<String>);

/// The column with the message's id. That of an FTS5 table has a name of its own.
pub(super) fn id(dialect: Dialect) -> Alias {
    Alias::new(if dialect == Dialect::Sqlite { "rowid" } else { "id" })
}

/// Messages whose words begin with what is asked, each of it.
pub(super) fn matching(dialect: Dialect, query: &SearchQuery) -> Expr {
    let asked = query.asked();
    let joined = |each: &dyn Fn(&str) -> String, between: &str| {
        asked.iter().map(|word| each(word)).collect::<Vec<_>>().join(between)
    };
    // Words are letters, digits and pictures alone, so none can end a quotation.
    let (sql, asked) = match dialect {
        Dialect::Postgres => (
            "waha_message_words.words @@ CAST($1 AS tsquery)",
            joined(&|it| format!("'{it}':*"), " & "),
        ),
        Dialect::Sqlite => {
            ("waha_message_words MATCH ?", joined(&|it| format!("\"{it}\" *"), " AND "))
        }
        Dialect::MySql => (
            "MATCH (waha_message_words.words) AGAINST (? IN BOOLEAN MODE)",
            joined(&|it| format!("+{}*", key(it)), " "),
        ),
    };
    Expr::cust_with_values(sql, [asked])
}

/// Writes the words of messages, over what is there.
pub(super) async fn write(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    rows: Vec<WordRow>,
) -> Result<(), StoreError> {
    // MySQL 9 does not find all rows again whose words an upsert changed, and SQLite has none here.
    if dialect != Dialect::Postgres {
        let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
        delete(db, Cond::all().add(Expr::col(id(dialect)).is_in(ids))).await?;
    }
    let mut rows = rows.into_iter().map(|(id, words)| (id, text(dialect, &words))).peekable();
    while rows.peek().is_some() {
        let mut bytes = 0;
        let mut fitting = Vec::new();
        while bytes < STATEMENT_BYTES_MAX
            && let Some(row) = rows.next()
        {
            bytes += row.1.len();
            fitting.push(row);
        }
        insert(db, dialect, fitting).await?;
    }
    Ok(())
}

async fn insert(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    rows: Vec<(i64, String)>,
) -> Result<(), StoreError> {
    let mut insert = Query::insert();
    insert.into_table(Alias::new(TABLE)).columns([id(dialect), Alias::new(WORDS)]);
    for (id, words) in rows {
        let words = Expr::val(words);
        let words = if dialect == Dialect::Postgres { words.cast_as("tsvector") } else { words };
        insert.values_panic([Expr::val(id), words]);
    }
    if dialect == Dialect::Postgres {
        let mut conflict = OnConflict::column(id(dialect));
        conflict.update_column(Alias::new(WORDS));
        // An update costs the index as much as an insert.
        conflict.action_and_where(Expr::cust("waha_message_words.words <> excluded.words"));
        insert.on_conflict(conflict);
    }
    db.execute(&insert).await?;
    Ok(())
}

/// Takes words away.
pub(super) async fn delete(db: &impl ConnectionTrait, which: Cond) -> Result<(), StoreError> {
    let mut delete = Query::delete();
    delete.from_table(Alias::new(TABLE)).cond_where(which);
    db.execute(&delete).await?;
    Ok(())
}

/// The last of the first so many ids; none if there is none.
pub(super) async fn last_of_first(
    db: &impl ConnectionTrait,
    dialect: Dialect,
    rows: u64,
) -> Result<Option<i64>, StoreError> {
    let mut select = Query::select();
    let key = Expr::col(id(dialect));
    select.expr_as(key, "id").from(Alias::new(TABLE)).order_by(id(dialect), Order::Asc).limit(rows);
    let last = db.query_all(&select).await?.pop();
    Ok(last.map(|row| row.try_get("", "id")).transpose()?)
}

/// Takes all words away, and gives their space back. Ends a transaction on MySQL and MariaDB.
pub(super) fn clearing(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres | Dialect::MySql => "TRUNCATE TABLE waha_message_words",
        Dialect::Sqlite => {
            "INSERT INTO waha_message_words (waha_message_words) VALUES ('delete-all')"
        }
    }
}

/// Words as the column takes them.
fn text(dialect: Dialect, words: &BTreeSet<String>) -> String {
    let each = |word: &String| match dialect {
        Dialect::Postgres => format!("'{word}'"),
        Dialect::Sqlite => word.clone(),
        Dialect::MySql => key(word),
    };
    words.iter().map(each).collect::<Vec<_>>().join(" ")
}

/// A word as MySQL and MariaDB index it: it begins with `w_`, so that it is neither too short nor on a list of
/// words that are left out; every sign but `a` to `z` and digits is `_` and four digits to the base of 36, for
/// their parser knows few alphabets.
fn key(word: &str) -> String {
    let mut key = "w_".to_owned();
    for sign in word.chars() {
        let before = key.len();
        if sign.is_ascii_lowercase() || sign.is_ascii_digit() {
            key.push(sign);
        } else {
            push_number(&mut key, sign);
        }
        if key.len() > KEY_BYTES_MAX {
            key.truncate(before);
            break;
        }
    }
    key
}

fn push_number(key: &mut String, sign: char) {
    let digit = |place: u32| char::from_digit(u32::from(sign) / 36_u32.pow(place) % 36, 36);
    key.push('_');
    key.extend((0..4).rev().filter_map(digit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_apart_and_begin_alike() {
        assert_eq!(key("a1"), "w_a1");
        assert_eq!(key("é"), "w__006h");
        assert_eq!(key("中文"), "w__0ffx_0k1z");
        let long = key(&"ж".repeat(64));
        assert!(long.len() <= KEY_BYTES_MAX && key(&"ж".repeat(30)).starts_with(&long), "{long}");
        for (word, beginning) in [("straße", "stra"), ("中文", "中"), ("aжb", "aж")] {
            assert!(key(word).starts_with(&key(beginning)), "{word}");
        }
    }
}
