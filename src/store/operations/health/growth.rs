//! By how much tables grow in a day, and for how long the disk has room.
//!
//! No database remembers sizes. So a table is taken to grow as its keys do: which share of them is of the last
//! week is found by halving, in some thirty looks at its key, however large it is. What is let go of meanwhile
//! is not known here, so it is rather too much.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::fs::statvfs;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, FromQueryResult, Order};

use super::TableHealth;
use crate::store::Store;
use crate::store::sql::dialect::Dialect;
use crate::store::sql::error::StoreError;

/// What is looked at.
const WEEK: Duration = Duration::from_hours(7 * 24);
/// A younger history says nothing.
const HISTORY_MIN: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
/// The others hardly count.
const TABLES: usize = 8;
const LEDGER: &str = "webhook_events";

const FILE_BYTES: &str =
    "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()";
/// Of a server on this very machine.
const MYSQL_FOLDER: &str =
    "SELECT CAST(@@datadir AS CHAR) AS folder, CAST(@@hostname AS CHAR) AS host";

/// The whole database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrowthHealth {
    /// Its size, bytes.
    pub bytes: i64,
    /// By how much it grows in a day; none while nobody can know.
    pub bytes_per_day: Option<i64>,
    /// What its disk has left; none if that is another machine's.
    pub free_bytes: Option<u64>,
}

/// A part of a table's keys, of which there is one at least, within an hour at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyShare {
    /// Keys that were given since.
    new: i64,
    /// All of them.
    all: i64,
    /// Since when.
    seconds: i64,
}

#[derive(FromQueryResult)]
struct FileBytes {
    bytes: i64,
}

#[derive(FromQueryResult)]
struct DataFolder {
    folder: String,
    host: String,
}

/// A table's key, and when a row was made.
#[derive(Clone, Copy)]
struct KeyTime {
    table: &'static str,
    key: &'static str,
    time: &'static str,
}

impl GrowthHealth {
    /// Days until the disk is full.
    pub fn days_left(&self) -> Option<u64> {
        let per_day = u64::try_from(self.bytes_per_day?).ok().filter(|it| *it > 0)?;
        Some(self.free_bytes? / per_day)
    }
}

impl KeyShare {
    fn bytes_per_day(self, bytes: i64) -> i64 {
        let new = i128::from(bytes) * i128::from(self.new) / i128::from(self.all);
        let per_day = new * i128::from(DAY.as_secs()) / i128::from(self.seconds);
        i64::try_from(per_day).unwrap_or(i64::MAX)
    }
}

impl KeyTime {
    /// Of tables of which it is known.
    fn of(table: &str) -> Option<Self> {
        let of = |table, key, time| Some(Self { table, key, time });
        match table {
            // Their keys are those of the others.
            LEDGER | "webhook_bodies" => of(LEDGER, "id", "created_at"),
            "waha_messages" | "waha_message_words" => of("waha_messages", "id", "created_at"),
            "waha_changes" => of("waha_changes", "position", "changed_at"),
            "webhook_dictionaries" | "webhook_sums" | "waha_feed" | "waha_search" => None,
            other => of(migration::tables().find(|it| *it == other)?, "id", "created_at"),
        }
    }
}

impl Store {
    /// Sets what the largest tables grow by, and adds it up.
    pub(super) async fn growth_health(
        &self,
        tables: &mut [TableHealth],
    ) -> Result<GrowthHealth, StoreError> {
        if self.dialect == Dialect::Sqlite {
            return self.file_growth().await;
        }
        for table in tables.iter_mut().take(TABLES) {
            let Some(key) = KeyTime::of(&table.name) else { continue };
            let share = self.share_of_week(key).await?;
            let bytes = table.bytes + table.index_bytes;
            table.bytes_per_day = share.map(|share| share.bytes_per_day(bytes));
        }
        let known = tables.iter().filter_map(|it| it.bytes_per_day);
        Ok(GrowthHealth {
            bytes: tables.iter().map(|it| it.bytes + it.index_bytes).sum(),
            bytes_per_day: known.reduce(i64::saturating_add),
            free_bytes: self.free_bytes().await?,
        })
    }

    /// A file grows as the ledger does, which is most of it.
    async fn file_growth(&self) -> Result<GrowthHealth, StoreError> {
        let bytes = self.file_bytes().await?;
        let share = match KeyTime::of(LEDGER) {
            Some(key) => self.share_of_week(key).await?,
            None => None,
        };
        let bytes_per_day = share.map(|share| share.bytes_per_day(bytes));
        Ok(GrowthHealth { bytes, bytes_per_day, free_bytes: self.free_bytes().await? })
    }

    /// Of SQLite.
    pub(super) async fn file_bytes(&self) -> Result<i64, StoreError> {
        let told: Vec<FileBytes> = self.told(FILE_BYTES).await?;
        Ok(told.first().map_or(0, |file| file.bytes))
    }

    /// Which share of a table's keys was given in the last week, or since its first row.
    async fn share_of_week(&self, key: KeyTime) -> Result<Option<KeyShare>, StoreError> {
        let (Some((first, first_at)), Some((last, _))) =
            (self.row_at(key, None, Order::Asc).await?, self.row_at(key, None, Order::Desc).await?)
        else {
            return Ok(None);
        };
        let now = self.clock.now();
        let age = (now - first_at).to_std().unwrap_or_default();
        if age < HISTORY_MIN {
            return Ok(None);
        }
        let all = last - first + 1;
        if age <= WEEK {
            let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            return Ok(Some(KeyShare { new: all, all, seconds }));
        }
        let since = now - WEEK;
        let (mut old, mut new) = (first, last + 1);
        while old < new {
            let middle = old.midpoint(new);
            match self.row_at(key, Some(middle), Order::Asc).await? {
                Some((id, at)) if at < since => old = id + 1,
                _ => new = middle,
            }
        }
        let seconds = i64::try_from(WEEK.as_secs()).unwrap_or(i64::MAX);
        Ok(Some(KeyShare { new: last + 1 - new, all, seconds }))
    }

    /// The first row in this order, from a key on.
    async fn row_at(
        &self,
        KeyTime { table, key, time }: KeyTime,
        from: Option<i64>,
        order: Order,
    ) -> Result<Option<(i64, DateTime<Utc>)>, StoreError> {
        let mut select = Query::select();
        select.columns([key, time].map(Alias::new)).from(Alias::new(table));
        if let Some(from) = from {
            select.and_where(Expr::col(Alias::new(key)).gte(from));
        }
        select.order_by(Alias::new(key), order).limit(1);
        let row = self.pool().db.query_one(&select).await?;
        let read = |row: sea_orm::QueryResult| Ok((row.try_get("", key)?, row.try_get("", time)?));
        row.map(read).transpose()
    }

    /// What the disk has left, if it is this machine's.
    async fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        let Some(folder) = self.data_folder().await? else { return Ok(None) };
        let disk = tokio::task::spawn_blocking(move || statvfs(&folder)).await;
        let disk = disk.ok().and_then(Result::ok);
        Ok(disk.map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    async fn data_folder(&self) -> Result<Option<PathBuf>, StoreError> {
        match self.dialect {
            Dialect::Sqlite => Ok(self.pool().folder()),
            // It tells nobody but administrators where its files are.
            Dialect::Postgres => Ok(None),
            Dialect::MySql => {
                let told: Vec<DataFolder> = self.told(MYSQL_FOLDER).await?;
                let here = whoami::hostname().ok();
                let is_here = |it: &DataFolder| here.as_deref() == Some(it.host.as_str());
                Ok(told.into_iter().find(is_here).map(|it| PathBuf::from(it.folder)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_keys_is_a_share_of_the_bytes() {
        let share = KeyShare { new: 700, all: 1_000, seconds: 7 * 86_400 };
        assert_eq!(share.bytes_per_day(1_000_000), 100_000);
        let growth = GrowthHealth { bytes: 1, bytes_per_day: Some(100), free_bytes: Some(1_050) };
        assert_eq!(growth.days_left(), Some(10));
        assert_eq!(GrowthHealth { bytes_per_day: Some(0), ..growth }.days_left(), None);
        assert_eq!(GrowthHealth { free_bytes: None, ..growth }.days_left(), None);
    }
}
