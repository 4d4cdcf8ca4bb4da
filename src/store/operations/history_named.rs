//! Rows of the ledger by what their bodies name, where bodies are packed: the database says which may be meant, and
//! their bodies are searched here.
//!
//! Called by `history`. Memory is bounded: a statement's worth of rows, and of their bodies what `batches` allows.

use std::collections::BTreeMap;

use sea_orm::Order;

use super::batches::parts;
use super::history::{LedgerFilter, LedgerGroup, LedgerRow};
use super::naming::NamedInBodies;
use super::page::RowPage;
use crate::store::Store;
use crate::store::sql::error::StoreError;

/// Most rows of one statement. The first asks for as many as are wanted, each further one for twice as many.
const ROWS_MAX: u64 = 1_000;

impl Store {
    /// A page of rows whose bodies have what a filter names.
    pub(super) async fn history_named(
        &self,
        filter: &LedgerFilter,
        mut page: RowPage,
        order: Order,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let (named, wanted) = (NamedInBodies::of(filter), page.limit);
        let mut found: Vec<LedgerRow> = Vec::new();
        loop {
            let rows = self.history_rows(filter, page, order.clone()).await?;
            let is_end = (rows.len() as u64) < page.limit;
            let last = rows.last().map(|row| row.id);
            found.extend(self.having(&named, rows).await?);
            found.sort_unstable_by_key(|row| match order {
                Order::Desc => -row.id,
                _ => row.id,
            });
            if is_end || found.len() as u64 >= wanted {
                found.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
                return Ok(found);
            }
            page.go_on_behind(last, &order);
            page.limit = page.limit.saturating_mul(2).min(ROWS_MAX.max(wanted));
        }
    }

    /// Counts them by event type and outcome.
    pub(super) async fn groups_named(
        &self,
        filter: &LedgerFilter,
    ) -> Result<Vec<LedgerGroup>, StoreError> {
        let mut groups = BTreeMap::<(String, &str), LedgerGroup>::new();
        let mut page = RowPage::first(ROWS_MAX);
        loop {
            let rows = self.history_named(filter, page, Order::Asc).await?;
            let Some(last) = rows.last().map(|row| row.id) else { break };
            page.go_on_behind(Some(last), &Order::Asc);
            for row in rows {
                let key = (row.event_type.clone(), row.outcome.name());
                let group = groups.entry(key).or_insert_with(|| LedgerGroup::of(&row));
                group.total += 1;
                group.with_body += i64::from(row.body_bytes.is_some());
            }
        }
        Ok(groups.into_values().collect())
    }

    /// Those whose bodies have it, in any order. Of a body that is not packed the database has said so.
    async fn having(
        &self,
        named: &NamedInBodies,
        rows: Vec<LedgerRow>,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let (packed, mut found): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.is_packed);
        for part in parts(&packed, packed.len(), |row| row.body_bytes.unwrap_or_default()) {
            let ids: Vec<i64> = part.iter().map(|row| row.id).collect();
            let bodies = self.bodies(&ids).await?;
            let has = |row: &&LedgerRow| match bodies.get(&row.id) {
                Some(Ok(body)) => named.is_in(body),
                Some(Err(error)) => {
                    tracing::warn!(%error, "a stored body can't be searched");
                    false
                }
                None => false,
            };
            found.extend(part.iter().filter(has).cloned());
        }
        Ok(found)
    }
}
