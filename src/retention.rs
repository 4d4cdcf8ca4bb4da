//! Lets go of what is kept for a limited time: bodies in the ledger, and the old end of the feed.
//!
//! Started by `lifecycle` beside a worker, if configured. Several workers may do it at once: whoever comes
//! first has done it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::store::{Store, StoreError};

/// How often it is looked for what is old.
const PAUSE: Duration = Duration::from_hours(1);
/// Rows of one statement: little enough for others to write in between.
const ROWS_MAX: u64 = 500;

/// For how long things are kept; none: for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Bodies in the ledger.
    pub bodies_age_max: Option<Duration>,
    /// Changes in the feed.
    pub feed_age_max: Option<Duration>,
}

/// Lets go of what is older, now and every hour until `stop`.
pub async fn run(
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let cleaning = clean(&store, clock.as_ref(), retention);
        if stop.run_until_cancelled(cleaning).await.is_some() {
            stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
    }
}

async fn clean(store: &Store, clock: &dyn Clock, retention: Retention) {
    let Retention { bodies_age_max, feed_age_max } = retention;
    if let Some(age_max) = bodies_age_max
        && let Err(error) = forget(store, clock, age_max).await
    {
        // The worker reports an outage; old bodies wait for the next hour.
        tracing::debug!(error = error.detail(), "can't let go of bodies");
    }
    if let Some(age_max) = feed_age_max
        && let Err(error) = cut(store, clock, age_max).await
    {
        tracing::debug!(error = error.detail(), "can't let go of old changes");
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

/// Deletes all changes from the old end of the feed that are older than `age_max` now.
pub async fn cut(store: &Store, clock: &dyn Clock, age_max: Duration) -> Result<(), StoreError> {
    let before = clock.now() - age_max;
    while store.cut_feed(before, ROWS_MAX).await? {}
    Ok(())
}
