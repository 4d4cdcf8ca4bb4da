//! What `status` reads in the tables, beside the equation.

use chrono::{DateTime, Utc};

use super::sessions::Sessions;
use crate::quiet_sessions::Silence;
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::operations::clocks::SourceClock;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterGroup};
use crate::store::operations::processes::ProcessRow;
use crate::store::{Store, StoreError};

/// Groups of dead letters that are named; `dead-letters groups` names more.
const GROUPS_MAX: u64 = 10;

/// What they say.
pub(super) struct Tables {
    pub(super) workers: Vec<ProcessRow>,
    /// Pending ones by cause, the most frequent first.
    pub(super) groups: Vec<DeadLetterGroup>,
    pub(super) sessions: Sessions,
    /// Sources whose clock disagrees with ours.
    pub(super) wrong_clocks: Vec<SourceClock>,
}

impl Tables {
    /// `until`: up to this time all that came has ended, if that is known.
    pub(super) async fn read(
        store: &Store,
        silence: &Silence,
        until: Option<DateTime<Utc>>,
    ) -> Result<Self, StoreError> {
        let pending = DeadLetterFilter {
            states: vec![DeadLetterState::Pending],
            ..DeadLetterFilter::default()
        };
        Ok(Self {
            workers: store.processes().await?,
            groups: store.dead_letter_groups(&pending, GROUPS_MAX).await?,
            sessions: Sessions::find(store, silence, until).await?,
            wrong_clocks: store.wrong_clocks().await?,
        })
    }
}
