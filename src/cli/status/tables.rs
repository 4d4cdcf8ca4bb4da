//! What `status` reads in the tables, beside the equation.

use chrono::{DateTime, Utc};

use crate::admin::{FailedSession, GROUPS_MAX};
use crate::quiet_sessions::{Silence, SilentSession};
use crate::store::apply::burial::state::DeadLetterState;
use crate::store::connect::replica::ReplicaView;
use crate::store::operations::attachments::LateFiles;
use crate::store::operations::clocks::SourceClock;
use crate::store::operations::dead_letter::{DeadLetterFilter, DeadLetterGroup};
use crate::store::operations::processes::ProcessRow;
use crate::store::operations::registrations::RegistrationDrift;
use crate::store::operations::watches::TroubledSession;
use crate::store::{Store, StoreError};

/// What they say, as it is told; by default nothing is known.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) workers: Vec<ProcessRow>,
    /// Pending ones by cause, the most frequent first.
    pub(super) groups: Option<Vec<DeadLetterGroup>>,
    /// None if it is not known up to when webhooks were processed.
    pub(super) silent: Option<Vec<SilentSession>>,
    pub(super) failed: Option<Vec<FailedSession>>,
    /// Sessions that the watchdog warns of.
    pub(super) troubled: Option<Vec<TroubledSession>>,
    /// Sessions of WAHA that don't have our webhook as they should.
    pub(super) drifts: Option<Vec<RegistrationDrift>>,
    /// Files of messages that wait for longer than WAHA keeps them.
    pub(super) late_files: Option<LateFiles>,
    /// How the replica stands, if there is one.
    pub(super) replica: Option<ReplicaView>,
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
        let silent = match until {
            Some(until) => Some(silence.find(until).await?),
            None => None,
        };
        let failed = store.failed_sessions().await?;
        Ok(Self {
            workers: store.processes().await?,
            groups: Some(store.dead_letter_groups(&pending, GROUPS_MAX).await?),
            silent,
            failed: Some(failed.into_iter().map(FailedSession::from).collect()),
            troubled: Some(store.troubled_sessions().await?),
            drifts: Some(store.registration_drifts().await?),
            late_files: store.late_files().await?,
            replica: store.replica().await,
            wrong_clocks: store.wrong_clocks().await?,
        })
    }
}
