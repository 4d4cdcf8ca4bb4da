//! Lets go of what is kept for a limited time: bodies in the ledger.
//!
//! Started by `lifecycle` beside a worker, if configured. Several workers may do it at once: each body
//! is emptied, whoever comes first.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::{Store, StoreError};

/// How often it is looked for old bodies.
const PAUSE: Duration = Duration::from_hours(1);
/// Bodies of one statement: little enough for others to write in between.
const ROWS_MAX: u64 = 500;

/// Empties bodies older than `age_max`, now and every hour until `stop`.
pub async fn run(
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    age_max: Duration,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let forgetting = forget(&store, clock.as_ref(), age_max);
        if let Some(Err(error)) = stop.run_until_cancelled(forgetting).await {
            // The worker reports an outage; old bodies wait for the next hour.
            tracing::debug!(error = error.detail(), "can't let go of bodies");
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Empties all bodies that are older than `age_max` now.
pub async fn forget(store: &Store, clock: &dyn Clock, age_max: Duration) -> Result<(), StoreError> {
    let before = clock.now() - age_max;
    let mut after = 0;
    while let Some(last) = store.forget_bodies(before, after, ROWS_MAX).await? {
        after = last;
    }
    Ok(())
}
