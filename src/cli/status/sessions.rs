//! What `status` says of sessions that somebody should look after.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::output::plain;
use crate::cli::time;
use crate::quiet_sessions::{Silence, SilentSession};
use crate::store::operations::sessions::SessionRow;
use crate::store::{Store, StoreError};

/// Sessions that are silent or failed.
#[derive(Serialize)]
pub(super) struct Sessions {
    /// None if it is not known up to when webhooks were processed.
    silent_sessions: Option<Vec<SilentSession>>,
    failed_sessions: Vec<FailedSession>,
}

#[derive(Serialize)]
struct FailedSession {
    source: String,
    session: String,
    since: Option<DateTime<Utc>>,
}

impl From<SessionRow> for FailedSession {
    fn from(row: SessionRow) -> Self {
        Self { source: row.source, session: row.name, since: row.status_at }
    }
}

impl Sessions {
    /// `until`: up to this time all that came has ended, if that is known.
    pub(super) async fn find(
        store: &Store,
        silence: &Silence,
        until: Option<DateTime<Utc>>,
    ) -> Result<Self, StoreError> {
        let silent_sessions = match until {
            Some(until) => Some(silence.find(until).await?),
            None => None,
        };
        let failed = store.failed_sessions().await?;
        let failed_sessions = failed.into_iter().map(FailedSession::from).collect();
        Ok(Self { silent_sessions, failed_sessions })
    }

    /// A line for each. Names come from outside.
    pub(super) fn lines(&self) -> Vec<String> {
        let silent = self.silent_sessions.iter().flatten().map(|silent| {
            let SilentSession { source, session, last_webhook_at, pause_max_ms, .. } = silent;
            let last = time::short(*last_webhook_at);
            let minutes = pause_max_ms / 60_000;
            format!("silent: {source}/{session}, heard last {last}, usually within {minutes} min")
        });
        let failed = self.failed_sessions.iter().map(|FailedSession { source, session, since }| {
            let since = since.map(|since| format!(" since {}", time::short(since)));
            format!("failed: {source}/{session}{}", since.unwrap_or_default())
        });
        silent.chain(failed).map(|line| plain(&line)).collect()
    }
}
