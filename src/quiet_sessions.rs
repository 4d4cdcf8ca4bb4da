//! Silent sessions: WAHA calls them working, but nothing came from them for longer than is usual for
//! them. Something may be broken that no error tells of.
//!
//! Called by `monitor` and `status`. A session's usual pause is learnt from the ledger: its longest
//! of the eight days before its last webhook, so that nights and week-ends are usual for an office.
//! Longer than that by a quarter, and than a floor, is silence.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::operations::sessions::SessionRow;
use crate::store::{Store, StoreError};

/// What a pause is learnt from: a week, and a day for weeks that are not alike.
const LEARN_FROM: Duration = Duration::from_hours(8 * 24);

/// A session that is silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SilentSession {
    /// Key of its row.
    pub id: i64,
    /// Configured WAHA server.
    pub source: String,
    /// WAHA's name of the session.
    pub session: String,
    /// When the last webhook came from it.
    pub last_webhook_at: DateTime<Utc>,
    /// The pause from which on it counts as silent.
    pub pause_max_ms: u64,
}

/// Finds silent sessions.
pub struct Silence {
    store: Arc<Store>,
    floor: Duration,
    /// What was learnt of sessions that are quiet, with the webhook it was learnt before.
    learnt: Mutex<HashMap<i64, (DateTime<Utc>, Duration)>>,
}

impl Silence {
    /// No pause up to `floor` is silence.
    pub fn new(store: Arc<Store>, floor: Duration) -> Self {
        Self { store, floor, learnt: Mutex::default() }
    }

    /// The sessions that are silent at a time up to which everything that came has ended.
    pub async fn find(&self, until: DateTime<Utc>) -> Result<Vec<SilentSession>, StoreError> {
        let quiet = self.store.quiet_sessions(until - self.floor).await?;
        let mut silent = Vec::new();
        for row in &quiet {
            let Some(last) = row.last_webhook_at else { continue };
            let pause_max = self.pause_max(row, last).await?;
            if (until - last).to_std().is_ok_and(|pause| pause > pause_max) {
                silent.push(SilentSession::new(row, last, pause_max));
            }
        }
        self.forget_all_but(&quiet);
        Ok(silent)
    }

    /// Learnt once for each silence: what was before it does not change.
    async fn pause_max(
        &self,
        row: &SessionRow,
        last: DateTime<Utc>,
    ) -> Result<Duration, StoreError> {
        let learnt =
            self.learnt.lock().unwrap_or_else(PoisonError::into_inner).get(&row.id).copied();
        if let Some((_, pause_max)) = learnt.filter(|(before, _)| *before == last) {
            return Ok(pause_max);
        }
        let longest = self.store.longest_pause(row, last - LEARN_FROM, self.floor).await?;
        let pause_max = if longest > self.floor { longest + longest / 4 } else { self.floor };
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.insert(row.id, (last, pause_max));
        Ok(pause_max)
    }

    fn forget_all_but(&self, quiet: &[SessionRow]) {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.retain(|id, _| quiet.iter().any(|row| row.id == *id));
    }
}

impl SilentSession {
    fn new(row: &SessionRow, last: DateTime<Utc>, pause_max: Duration) -> Self {
        Self {
            id: row.id,
            source: row.source.clone(),
            session: row.name.clone(),
            last_webhook_at: last,
            pause_max_ms: u64::try_from(pause_max.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
