//! What watches sessions in this process, as configured.

use std::sync::Arc;

use super::Parts;
use crate::store::Store;
use crate::watchdog::Watchdog;

impl Parts {
    /// Who watches in a process that works; none if nothing is watched.
    pub(super) fn watchdog(&self, store: &Arc<Store>) -> Option<Watchdog> {
        let options = self.config.watchdog?;
        let (apis, metrics) = (self.apis.clone(), self.metrics.watchdog.clone());
        for api in &apis {
            metrics.begin(api.source());
        }
        let (store, queue) = (Arc::clone(store), Arc::clone(&self.queue));
        let (clock, silent_after) = (Arc::clone(&self.clock), self.config.silent_after);
        Some(Watchdog::new(store, queue, clock, apis, options, silent_after, metrics))
    }
}
