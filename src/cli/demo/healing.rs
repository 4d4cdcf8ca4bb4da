//! What a simulated WAHA lost is found again in its own list.

use std::sync::Arc;

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta};
use tokio_util::sync::CancellationToken;

use super::SOURCE;
use crate::cli::output::outln;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lifecycle::open_reconciler;
use crate::reconcile::{Reconciler, ReconciliationCounts};
use crate::simulate::Plan;
use crate::store::Store;
use crate::store::operations::page::RowPage;
use crate::store::operations::reconciliations::{
    CompletenessFilter, ReconciliationKind, ReconciliationRequest, ReconciliationWindow,
};

/// How long a session is ours.
const LEASE: std::time::Duration = std::time::Duration::from_secs(60);
/// From before the history to after it.
const REACH: TimeDelta = TimeDelta::days(1);
/// Hours that are looked at.
const HOURS_MAX: u64 = 1_000;

/// Compares every session with WAHA's list, tells what was found, and says how many webhooks that made.
pub(super) async fn heal(config: &Config, store: &Arc<Store>, plan: &Plan) -> anyhow::Result<u64> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let reconciler = open_reconciler(config, Arc::clone(store), clock)?;
    let start = DateTime::from_timestamp_millis(plan.start_ms).context("the plan has a start")?;
    let window = ReconciliationWindow { from: start - REACH, until: start + REACH };
    let mut all = ReconciliationCounts::default();
    for session in store.session_marks(&[SOURCE.to_owned()]).await? {
        let counts = compare(&reconciler, store, session.id, window).await?;
        all.requests += counts.requests;
        all.listed += counts.listed;
        all.missing += counts.missing;
        all.raised += counts.raised;
    }
    let ReconciliationCounts { requests, listed, missing, raised, .. } = all;
    outln!(
        "WAHA lists {listed} messages ({requests} requests): {missing} that no webhook told were taken over, \
         and {raised} of ours turned out to have got further."
    );
    ensure!(missing > 0, "nothing was lost, so nothing could be found again");
    let hours =
        store.completeness(&CompletenessFilter::default(), RowPage::first(HOURS_MAX)).await?;
    let complete = hours.iter().filter(|hour| hour.state == "complete" && hour.refused == 0);
    outln!("{} of {} hours are complete.", complete.clone().count(), hours.len());
    ensure!(complete.count() == hours.len(), "something is still missing");
    Ok(missing + raised)
}

async fn compare(
    reconciler: &Reconciler,
    store: &Store,
    session_id: i64,
    window: ReconciliationWindow,
) -> anyhow::Result<ReconciliationCounts> {
    let kind = ReconciliationKind::Command;
    let request = ReconciliationRequest { session_id, kind, window, mark: None, due_at: None };
    store.request_reconciliation(&request).await?;
    let task = store.take_reconciliation_of(session_id, kind, LEASE).await?;
    let task = task.context("nobody else compares it")?;
    match reconciler.reconcile(&task, &CancellationToken::new()).await {
        (counts, None) => Ok(counts),
        (_, Some(problem)) => Err(problem.into()),
    }
}
