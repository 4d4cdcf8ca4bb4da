//! What WAHA says of its sessions besides webhooks, asked at start and once a day: which it has, whose account each
//! is, how they are configured.
//!
//! Started by `lifecycle` beside a worker, for sources that have a `[sources.NAME.waha]`; `cli` does the same at a
//! command. Several workers ask each for itself; what did not change is not written. What a session's people are is
//! asked by `reconcile`, session by session.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::change::{Changes, Merge, SessionKey};
use crate::clock::Clock;
use crate::normalize::listing::Listing;
use crate::store::apply::listed::ListedWrite;
use crate::store::{Store, StoreError};
use crate::waha_api::{ListedSession, WahaApi, WahaError};

/// How often it is asked.
const EVERY: Duration = Duration::from_hours(24);
/// After this it is asked again, if WAHA or the database did not answer.
const AGAIN: Duration = Duration::from_mins(10);
/// Sessions that are written at a time.
const CHUNK: usize = 500;
/// WAHA's word for sessions that do not run; of another worker's it says the same.
const STOPPED: &str = "STOPPED";

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// WAHA.
    #[error(transparent)]
    Waha(#[from] WahaError),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was found of a WAHA's sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryCounts {
    /// Sessions that it runs.
    pub running: u64,
    /// Sessions, as applications see them, that changed here.
    pub changed: u64,
    /// Those that are configured otherwise than was known.
    pub configured: u64,
}

/// Asks until `stop`.
pub async fn run(
    store: Arc<Store>,
    apis: Vec<WahaApi>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let mut wait = EVERY;
        for api in &apis {
            let asked = refresh(&store, api, &*clock, ListedWrite::Free);
            match stop.run_until_cancelled(asked).await {
                Some(Err(error)) => {
                    // The client has reported an outage of WAHA, the worker one of the database.
                    tracing::debug!(webhook.source = api.source(), error = %error, "can't refresh");
                    wait = AGAIN;
                }
                Some(Ok(_)) => {}
                None => return,
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(wait)).await;
    }
}

/// Asks one WAHA. With [`ListedWrite::Dry`] nothing is written, and what is configured otherwise is not counted.
pub async fn refresh(
    store: &Store,
    api: &WahaApi,
    clock: &dyn Clock,
    write: ListedWrite,
) -> Result<DirectoryCounts, DirectoryError> {
    let at_ms = clock.now().timestamp_millis();
    let sessions = api.sessions().await?;
    // Sessions of other workers of the same database are listed, too: as stopped, whatever they are.
    let needs_worker = sessions.iter().any(|session| session.worker.is_some());
    let worker = if needs_worker { api.server_version().await?.worker } else { None };
    let is_mine = |session: &&ListedSession| session.worker.is_none() || session.worker == worker;
    let mine: Vec<&ListedSession> = sessions.iter().filter(is_mine).collect();
    // One that neither runs nor has told anything is nobody's yet.
    let running: Vec<&&ListedSession> = mine.iter().filter(|it| it.status != STOPPED).collect();
    let mut counts =
        DirectoryCounts { running: running.len() as u64, ..DirectoryCounts::default() };
    for sessions in running.chunks(CHUNK) {
        let mut told = Changes::default();
        for session in sessions {
            told.merge_in(told_of(api.source(), session, at_ms));
        }
        counts.changed += store.apply_listed(told, write).await?;
    }
    if write != ListedWrite::Dry {
        let configs = mine.iter().filter_map(|it| Some((it.name.clone(), it.config.clone()?)));
        let configs: Vec<_> = configs.collect();
        counts.configured = store.note_session_configs(api.source(), &configs).await?;
    }
    Ok(counts)
}

fn told_of(source: &str, session: &ListedSession, at_ms: i64) -> Changes {
    let ListedSession { name, status, me, .. } = session;
    let session = SessionKey { source: source.into(), name: name.as_str().into() };
    Listing { session, me: me.clone(), at_ms }.of_session(status, None)
}
