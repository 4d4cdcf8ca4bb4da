//! Indexes that the migrations make and the database lacks, those that somebody else made, and those that nobody
//! has used.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use crate::store::Store;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

/// A smaller one costs nothing that anybody sees.
const UNUSED_BYTES_MIN: i64 = 64 << 20;
/// Counts of uses that are younger say nothing: some queries are asked once a month.
const COUNTED_MIN: TimeDelta = TimeDelta::days(31);
/// The index of the search, which each database has in its own way.
const OF_WORDS: (&str, &str) = ("waha_message_words", "idx_waha_message_words_words");

const POSTGRES: &str = "SELECT t.relname::text AS table_name, c.relname::text AS name, \
     pg_relation_size(c.oid) AS bytes, \
     CASE WHEN i.indisunique THEN NULL ELSE coalesce(s.idx_scan, 0) END AS uses \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
     LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid \
     WHERE t.relnamespace = current_schema()::regnamespace AND NOT i.indisprimary";
const MYSQL: &str = "SELECT DISTINCT CAST(TABLE_NAME AS CHAR) AS table_name, \
     CAST(INDEX_NAME AS CHAR) AS name, CAST(NULL AS SIGNED) AS bytes, CAST(NULL AS SIGNED) AS uses \
     FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME <> 'PRIMARY'";
const SQLITE: &str = "SELECT tbl_name AS table_name, name, NULL AS bytes, NULL AS uses \
     FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";
/// Null: they were never reset.
const COUNTED_SINCE: &str =
    "SELECT stats_reset AS since FROM pg_stat_database WHERE datname = current_database()";

/// An index that is there.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct IndexRow {
    /// Of which table.
    pub table_name: String,
    /// Its name.
    pub name: String,
    /// Its size, where it is told.
    pub bytes: Option<i64>,
    /// How often it was read, where that is counted; none of one that also keeps rows apart.
    pub uses: Option<i64>,
}

/// One that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingIndex {
    /// Of which table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// What makes it.
    pub sql: String,
}

/// Indexes as they should be, and as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexHealth {
    /// Made by the migrations, and gone.
    pub missing: Vec<MissingIndex>,
    /// Of our tables, and made by somebody else.
    pub foreign: Vec<IndexRow>,
    /// Large, and not used for a month (PostgreSQL).
    pub unused: Vec<IndexRow>,
}

#[derive(FromQueryResult)]
struct CountedSince {
    since: Option<DateTime<Utc>>,
}

impl Store {
    pub(super) async fn index_health(&self) -> Result<IndexHealth, StoreError> {
        let question = match self.dialect {
            Dialect::Postgres => POSTGRES,
            Dialect::MySql => MYSQL,
            Dialect::Sqlite => SQLITE,
        };
        let mut there: Vec<IndexRow> = self.told(question).await?;
        there.retain(|it| migration::tables().any(|ours| ours == it.table_name));
        there.sort_unstable_by(|one, other| {
            (&one.table_name, &one.name).cmp(&(&other.table_name, &other.name))
        });
        let made = migration::made_indexes().await?;
        let is_made = |it: &IndexRow| {
            (it.table_name.as_str(), it.name.as_str()) == OF_WORDS
                || made.iter().any(|made| made.name == it.name && made.table == it.table_name)
        };
        let foreign = there.iter().filter(|it| !is_made(it)).cloned().collect();
        let known: BTreeSet<&str> = there.iter().map(|it| it.name.as_str()).collect();
        let missing = made.iter().filter(|it| !known.contains(it.name.as_str()));
        let missing = missing.map(|it| self.missing(it)).collect();
        let is_counted = self.are_uses_counted().await?;
        let is_unused =
            |it: &&IndexRow| it.uses == Some(0) && it.bytes.unwrap_or(0) >= UNUSED_BYTES_MIN;
        let unused = there.iter().filter(is_unused).filter(|_| is_counted).cloned().collect();
        Ok(IndexHealth { missing, foreign, unused })
    }

    /// MySQL and MariaDB have no index of a part of the rows.
    fn missing(&self, made: &migration::MadeIndex) -> MissingIndex {
        let whole = made.sql.split(" WHERE ").next().unwrap_or_default();
        let sql = if self.dialect == Dialect::MySql { whole } else { &made.sql };
        MissingIndex { table: made.table.clone(), name: made.name.clone(), sql: sql.to_owned() }
    }

    async fn are_uses_counted(&self) -> Result<bool, StoreError> {
        if self.dialect != Dialect::Postgres {
            return Ok(false);
        }
        let told: Vec<CountedSince> = self.told(COUNTED_SINCE).await?;
        let since = told.first().and_then(|it| it.since);
        Ok(since.is_none_or(|since| self.clock.now() - since >= COUNTED_MIN))
    }
}
