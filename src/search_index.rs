//! Keeps the words of messages up to date, so that they can be searched.
//!
//! Started by `lifecycle` beside a worker, if configured. Several processes may do it at once: whoever comes
//! first has done it, and the others look again a moment later.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::store::Store;
use crate::store::operations::search::SearchStep;

/// How often it is looked for what changed.
const PAUSE: Duration = Duration::from_secs(1);
/// How long nothing is tried after an error, and as long as nobody has switched the search on.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// Follows the feed until `stop`. Says once in a row that nothing is done because nobody switched it on.
pub async fn run(store: Arc<Store>, stop: CancellationToken) {
    let mut is_told = false;
    while !stop.is_cancelled() {
        // A step that is cut off is rolled back.
        let Some(moved) = stop.run_until_cancelled(store.search_step()).await else { return };
        let pause = match &moved {
            Ok(SearchStep::Moved) => None,
            Ok(SearchStep::Idle | SearchStep::Overtaken) => Some(PAUSE),
            Ok(SearchStep::NotOurs) if is_told => Some(LONG_PAUSE),
            Ok(SearchStep::NotOurs) => {
                tracing::warn!(
                    "search.enabled is true, but messages can't be searched: \
                     `waha-ingest search status` says why"
                );
                Some(LONG_PAUSE)
            }
            // The worker reports an outage.
            Err(error) => {
                tracing::debug!(error = error.detail(), "can't keep the words of messages");
                Some(LONG_PAUSE)
            }
        };
        is_told = matches!(moved, Ok(SearchStep::NotOurs));
        if let Some(pause) = pause {
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }
}
