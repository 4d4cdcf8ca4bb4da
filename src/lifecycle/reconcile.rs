//! What compares sessions with WAHA's list of messages in this process, as configured.

use std::sync::Arc;

use super::Parts;
use super::media::open_apis;
use crate::clock::Clock;
use crate::config::{Config, ReconcileConfig};
use crate::metrics::reconcile::ReconcileMetrics;
use crate::reconcile::{ReconcileLimits, Reconciler};
use crate::store::Store;
use crate::waha_api::WahaApi;

/// Sessions at a time where a command does it.
const BY_COMMAND: usize = 1;

impl Parts {
    /// Who reconciles in a process that works; none if nothing is reconciled.
    pub(super) fn reconciler(&self, store: &Arc<Store>) -> Option<Arc<Reconciler>> {
        let ReconcileConfig { concurrency, planned } = self.config.reconciled?;
        let metrics = self.metrics.reconcile.clone();
        for source in self.config.sources.iter().filter(|source| source.waha.is_some()) {
            metrics.begin(&source.name);
        }
        let (store, clock) = (Arc::clone(store), Arc::clone(&self.clock));
        let limits = ReconcileLimits { planned, ..ReconcileLimits::new(concurrency) };
        Some(open(&self.config, self.apis.clone(), store, clock, limits, metrics))
    }
}

/// Who reconciles at a command, whether workers do or not.
pub fn open_reconciler(
    config: &Config,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Arc<Reconciler>> {
    let (apis, limits) = (open_apis(config)?, ReconcileLimits::new(BY_COMMAND));
    Ok(open(config, apis, store, clock, limits, ReconcileMetrics::new()))
}

fn open(
    config: &Config,
    apis: Vec<WahaApi>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    limits: ReconcileLimits,
    metrics: ReconcileMetrics,
) -> Arc<Reconciler> {
    let (rules, silent_after) = (config.rules.clone(), config.silent_after);
    Arc::new(Reconciler::new(store, clock, apis, rules, limits, silent_after, metrics))
}
