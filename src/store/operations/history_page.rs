//! Pages of the ledger for people, the newest first, which say whether there may be more.
//!
//! What a filter means is found by an index if that is little (`history_few`). Most filters have none, because
//! every webhook would pay for it: then a page looks through some rows at a time, from its end on, and gives up
//! after a while; it says where to go on.
//!
//! Invariant: no statement reads more than some thousand bodies, and no page more than [`BODIES_MAX`]; a page
//! without bodies takes a fraction of a second, however long the ledger is.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::Order;

use super::history::{LedgerFilter, LedgerRow};
use super::page::RowPage;
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// Rows whose bodies one statement searches.
const BODIES: i64 = 10_000;
/// Rows whose bodies a page searches.
const BODIES_MAX: i64 = 100_000;
/// Rows that the first statement looks at where no body is searched; each further one looks at twice as many.
const ROWS: i64 = 20_000;
/// From then on no further statement begins where no body is searched. The last one takes about as long again.
const SEARCH_MAX: Duration = Duration::from_millis(100);
/// Rows come about in the order of their ends.
const DISORDER_MAX: TimeDelta = TimeDelta::hours(1);

/// Some rows, and where to go on.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// The newest first.
    pub rows: Vec<LedgerRow>,
    /// Rows below this number were not looked at; none if there is none.
    pub next: Option<i64>,
}

impl Store {
    /// Rows below `before`, at most `limit` of them.
    pub async fn history_page(
        &self,
        filter: &LedgerFilter,
        before: Option<i64>,
        limit: u64,
    ) -> Result<HistoryPage, StoreError> {
        let last_id = before.map_or(i64::MAX, |before| before.saturating_sub(1));
        if !filter.is_named() || !filter.ids.is_empty() {
            return self.newest(filter, last_id, limit).await;
        }
        match self.few(filter).await? {
            Some(ids) => self.newest_of(ids, filter, last_id, limit).await,
            None => self.search(filter, Effort::of(filter), last_id, limit).await,
        }
    }

    /// Whether the ledger has such a row.
    pub async fn is_in_history(&self, filter: &LedgerFilter) -> Result<bool, StoreError> {
        let newest = match self.few(filter).await? {
            Some(ids) => self.newest_of(ids, filter, i64::MAX, 1).await?,
            None => self.newest(filter, i64::MAX, 1).await?,
        };
        Ok(!newest.rows.is_empty())
    }

    async fn newest(
        &self,
        filter: &LedgerFilter,
        last_id: i64,
        limit: u64,
    ) -> Result<HistoryPage, StoreError> {
        // One more says whether there are more.
        let page = RowPage { last_id, ..RowPage::first(limit.saturating_add(1)) };
        let mut found = HistoryPage::default();
        found.take(self.history(filter, page, Order::Desc).await?, limit);
        Ok(found)
    }

    /// The same of rows whose numbers are known.
    async fn newest_of(
        &self,
        mut ids: Vec<i64>,
        filter: &LedgerFilter,
        last_id: i64,
        limit: u64,
    ) -> Result<HistoryPage, StoreError> {
        ids.retain(|id| *id <= last_id);
        if ids.is_empty() {
            return Ok(HistoryPage::default());
        }
        self.newest(&LedgerFilter { ids, ..filter.clone() }, last_id, limit).await
    }

    async fn search(
        &self,
        filter: &LedgerFilter,
        mut effort: Effort,
        last_id: i64,
        limit: u64,
    ) -> Result<HistoryPage, StoreError> {
        let mut found = HistoryPage::default();
        let mut last_id = last_id.min(self.history_end().await?);
        let mut is_over = last_id <= 0 || self.is_before(last_id, filter.since).await?;
        while !is_over && let Some(rows) = effort.next() {
            let after_id = last_id.saturating_sub(rows).max(0);
            let left = limit.saturating_add(1) - found.rows.len() as u64;
            let page = RowPage { after_id, last_id, limit: left };
            if found.take(self.history(filter, page, Order::Desc).await?, limit) {
                return Ok(found);
            }
            last_id = after_id;
            is_over = last_id <= 0 || self.is_before(last_id, filter.since).await?;
        }
        found.next = (!is_over).then_some(last_id + 1);
        Ok(found)
    }

    /// Whether all rows up to this number ended before `since`, and so arrived before it.
    async fn is_before(
        &self,
        last_id: i64,
        since: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        let Some(since) = since else { return Ok(false) };
        let page = RowPage { last_id, ..RowPage::first(1) };
        let newest = self.history(&LedgerFilter::default(), page, Order::Desc).await?;
        Ok(newest.first().is_none_or(|row| row.processed_at < since - DISORDER_MAX))
    }
}

/// How many rows a page looks at: what the next statement looks at, until it is enough.
struct Effort {
    rows: i64,
    growth: i64,
    rows_left: i64,
    until: Option<Instant>,
}

impl Effort {
    fn of(filter: &LedgerFilter) -> Self {
        if filter.names_in_bodies() {
            return Self { rows: BODIES, growth: 1, rows_left: BODIES_MAX, until: None };
        }
        let until = Instant::now() + SEARCH_MAX;
        Self { rows: ROWS, growth: 2, rows_left: i64::MAX, until: Some(until) }
    }
}

impl Iterator for Effort {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let is_spent =
            self.rows_left <= 0 || self.until.is_some_and(|until| Instant::now() >= until);
        let rows = self.rows;
        self.rows_left = self.rows_left.saturating_sub(rows);
        self.rows = rows.saturating_mul(self.growth);
        (!is_spent).then_some(rows)
    }
}

impl HistoryPage {
    /// Takes rows in; says whether that is all that was asked for, and there are more.
    fn take(&mut self, rows: Vec<LedgerRow>, limit: u64) -> bool {
        self.rows.extend(rows);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if self.rows.len() <= limit {
            return false;
        }
        self.rows.truncate(limit);
        self.next = self.rows.last().map(|row| row.id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_searched_for_a_while_and_bodies_up_to_a_number() {
        let bodies = LedgerFilter { chats: vec!["1@c.us".to_owned()], ..LedgerFilter::default() };
        let searched: Vec<i64> = Effort::of(&bodies).collect();
        assert_eq!((searched.len(), searched.iter().sum::<i64>()), (10, BODIES_MAX));
        let mut rows = Effort::of(&LedgerFilter::default());
        assert_eq!(rows.by_ref().take(3).collect::<Vec<_>>(), [ROWS, 2 * ROWS, 4 * ROWS]);
        rows.until = Some(Instant::now());
        assert_eq!(rows.next(), None);
    }
}
