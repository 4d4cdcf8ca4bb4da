//! What is seen in the tables: dead letters by state, sessions by status, how far the search is, how large
//! they are. Called by `monitor`.
//!
//! Counting rows takes longer than a ping, so it is done less often.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::metrics::gauges::Gauges;
use crate::quiet_sessions::{Silence, SilentSession};
use crate::store::{Store, StoreError};
use crate::telemetry::cause;

/// How often rows are counted.
const COUNT_EVERY: Duration = Duration::from_secs(20);

/// Counting that takes longer is left for the next time.
const COUNT_MAX: Duration = Duration::from_secs(10);

/// Looks at the tables.
pub(super) struct Tables {
    store: Arc<Store>,
    gauges: Gauges,
    silence: Silence,
    silent: std::sync::Mutex<Arc<Vec<SilentSession>>>,
    counted_at: Mutex<Option<Instant>>,
}

impl Tables {
    pub(super) fn new(store: Arc<Store>, gauges: Gauges, silent_after: Duration) -> Self {
        let silence = Silence::new(Arc::clone(&store), silent_after);
        let (silent, counted_at) = Default::default();
        Self { store, gauges, silence, silent, counted_at }
    }

    /// The sessions that were silent when it last counted.
    pub(super) fn silent(&self) -> Arc<Vec<SilentSession>> {
        Arc::clone(&self.silent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the tables could be written now.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        self.store.probe().await
    }

    /// How the replica stands, where there is one.
    pub(super) async fn look_at_replica(&self) {
        if let Some(replica) = self.store.replica().await {
            self.gauges.database.set_replica(&replica);
        }
    }

    /// Counts, unless it did a moment ago. `until`: up to this time all that came has ended; none if
    /// nobody knows, which leaves silence as it was.
    pub(super) async fn look(&self, until: Option<DateTime<Utc>>) {
        let mut counted_at = self.counted_at.lock().await;
        if counted_at.is_some_and(|at| at.elapsed() < COUNT_EVERY) {
            return;
        }
        *counted_at = Some(Instant::now());
        let error = match timeout(COUNT_MAX, self.count(until)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => cause::words(&error),
            Err(_) => format!("not done after {} s", COUNT_MAX.as_secs()),
        };
        tracing::warn!(error, "can't count dead letters and sessions");
    }

    async fn count(&self, until: Option<DateTime<Utc>>) -> Result<(), StoreError> {
        self.gauges.set_dead_letters(&self.store.dead_letter_counts().await?);
        if let Some(until) = until {
            let found = Arc::new(self.silence.find(until).await?);
            *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        self.measure().await?;
        self.gauges.set_moving_chats(self.store.moving_chat_count().await?);
        self.gauges.set_search_lag(self.store.search_status().await?.behind);
        self.gauges.set_registrations(&self.store.registration_counts().await?);
        self.gauges.set_troubled(&self.store.trouble_counts().await?);
        let silent = self.silent().len() as u64;
        self.gauges.set_sessions(&self.store.session_counts().await?, silent);
        Ok(())
    }

    /// How large they are, and what the server says beside.
    async fn measure(&self) -> Result<(), StoreError> {
        let tables = self.store.table_health().await?;
        self.gauges.database.set_tables(&tables);
        self.gauges.database.set_months_ahead(self.store.months_ahead().await?);
        let bytes = self.store.database_bytes(&tables).await?;
        let clock = self.store.clock_health().await?.map(|clock| clock.ahead_ms);
        self.gauges.database.set_database(bytes, clock, self.store.replica_lag().await?);
        Ok(())
    }
}
