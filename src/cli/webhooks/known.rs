//! Whether a filter that found nothing names something that is not there: a typing error rather than an
//! empty result.

use sea_orm::Order;

use crate::names::unknown;
use crate::store::Store;
use crate::store::operations::history::{LedgerFilter, LedgerRow};
use crate::store::operations::page::RowPage;
use crate::webhook::EventType;

/// Rows among which a near name is looked for, from the newest.
const ROWS_MAX: u64 = 1000;

/// An error for the first event type, reason or number that no row of the ledger has.
pub(super) async fn ensure_known(store: &Store, filter: &LedgerFilter) -> anyhow::Result<()> {
    let is_strange = |event: &&String| EventType::parse(event) == EventType::Other;
    for event in filter.events.iter().filter(is_strange) {
        let only = LedgerFilter { events: vec![event.clone()], ..LedgerFilter::default() };
        if !is_there(store, &only).await? {
            let told = newest(store).await?.into_iter().map(|row| row.event_type);
            let known = told.chain(EventType::names().map(str::to_owned));
            anyhow::bail!(unknown("event", event, known));
        }
    }
    for reason in &filter.reasons {
        let only = LedgerFilter { reasons: vec![reason.clone()], ..LedgerFilter::default() };
        if !is_there(store, &only).await? {
            let known = newest(store).await?.into_iter().filter_map(|row| row.reason);
            anyhow::bail!(unknown("reason", reason, known));
        }
    }
    for session in &filter.sessions {
        let only = LedgerFilter { sessions: vec![session.clone()], ..LedgerFilter::default() };
        if !is_there(store, &only).await? {
            let known = newest(store).await?.into_iter().map(|row| row.session);
            anyhow::bail!(unknown("session", session, known));
        }
    }
    for id in &filter.ids {
        let only = LedgerFilter { ids: vec![*id], ..LedgerFilter::default() };
        anyhow::ensure!(is_there(store, &only).await?, "there is no webhook {id}");
    }
    Ok(())
}

async fn is_there(store: &Store, only: &LedgerFilter) -> anyhow::Result<bool> {
    Ok(store.is_in_history(only).await?)
}

async fn newest(store: &Store) -> anyhow::Result<Vec<LedgerRow>> {
    Ok(store.history(&LedgerFilter::default(), RowPage::first(ROWS_MAX), Order::Desc).await?)
}
