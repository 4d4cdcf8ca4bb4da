//! Waiting for the feed to go on: however many wait, the database is asked once in a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::admin::CONNECTIONS_MAX;
use crate::admin::api::ApiError;
use crate::store::operations::feed::FeedState;
use crate::store::{Store, StoreError};

/// All who wait share what was read within this time.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Who follow at a time, half of the listener's connections: probes, scrapers and operators have the others.
pub(super) const FOLLOWERS_MAX: usize = CONNECTIONS_MAX / 2;

/// Where the feed was when somebody last looked, and room for those who wait.
pub struct FeedWatch {
    last: Mutex<Option<(Instant, FeedState)>>,
    places: Arc<Semaphore>,
}

impl Default for FeedWatch {
    fn default() -> Self {
        Self { last: Mutex::default(), places: Arc::new(Semaphore::new(FOLLOWERS_MAX)) }
    }
}

impl FeedWatch {
    /// Room for one more; an error if there is none.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| ApiError::TooManyFollowers(FOLLOWERS_MAX))
    }

    /// Where the feed is, once it is beyond a position, it is time, or the process stops.
    pub(super) async fn newer_than(
        &self,
        store: &Store,
        after: i64,
        until: Instant,
        stop: &CancellationToken,
    ) -> Result<FeedState, StoreError> {
        loop {
            let state = self.state(store).await?;
            if state.position != after || Instant::now() >= until || stop.is_cancelled() {
                return Ok(state);
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn state(&self, store: &Store) -> Result<FeedState, StoreError> {
        let mut last = self.last.lock().await;
        if let Some((_, state)) = last.as_ref().filter(|(at, _)| at.elapsed() < LOOK_EVERY) {
            return Ok(state.clone());
        }
        let state = store.feed_state().await?;
        *last = Some((Instant::now(), state.clone()));
        Ok(state)
    }
}
