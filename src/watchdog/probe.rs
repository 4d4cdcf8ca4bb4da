//! How what is known of a session is asked: once for each WAHA what it says of all, then of those that say they work.
//!
//! Nothing here asks WhatsApp, and nothing waits for a session: the list of sessions, an engine's state, the newest
//! messages of its store and WAHA's counters.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::evidence::{Evidence, ON_ITS_WAY};
use crate::store::operations::watches::{MessageCounters, ToldMessages, Watch};
use crate::waha_api::{
    ALL_CHATS, ConfiguredSession, EmittedCount, EmittedMessages, MessageQuery, Patience, WahaApi,
    WahaError,
};

/// Messages among which the newest of somebody else is looked for. Rows that lists leave out make pages short.
const NEWEST: usize = 20;
/// By so much a message may be ahead of our clock. What is further ahead tells nothing of now: anybody may send it.
const AHEAD: TimeDelta = TimeDelta::minutes(5);
/// The status of a session that is asked further.
const WORKING: &str = "WORKING";

/// What a WAHA says of all its sessions at a moment.
pub(super) struct SourceFacts {
    sessions: HashMap<String, ConfiguredSession>,
    /// The worker that is asked.
    worker: Option<String>,
    /// None where messages are not counted.
    emitted: Option<EmittedMessages>,
    /// When it started, in Unix ms; none if it does not say, and where nothing is counted.
    started_ms: Option<i64>,
}

impl SourceFacts {
    /// Asks.
    pub(super) async fn ask(api: &WahaApi) -> Result<Self, WahaError> {
        let sessions = api.configured_sessions().await?;
        let sessions = sessions.into_iter().map(|session| (session.name.clone(), session));
        let worker = api.server_version().await?.worker;
        // Asked first: of one that starts anew in between the counters fall the next time.
        let started_ms = api.started_at_ms().await.ok();
        Ok(Self {
            sessions: sessions.collect(),
            worker,
            // What hides them says nothing of the sessions.
            emitted: api.emitted_messages().await.unwrap_or_default(),
            started_ms,
        })
    }

    /// WAHA's word for a session's state; empty if it lists none of that name.
    pub(super) fn status(&self, session: &str) -> &str {
        self.sessions.get(session).map_or("", |session| session.status.as_str())
    }

    /// Messages of others that it has told since it started.
    pub(super) fn emitted(&self, session: &str) -> Option<u64> {
        Some(self.emitted.as_ref()?.get(session)?.others)
    }

    /// What the row of a session holds of WAHA's counters from now on; nothing where it does not count.
    pub(super) fn counters(&self, watch: &Watch, now: DateTime<Utc>) -> Option<String> {
        // One that is not named has told nothing since WAHA started.
        let EmittedCount { own, others } =
            self.emitted.as_ref()?.get(&watch.session).copied().unwrap_or_default();
        let before = MessageCounters::read(watch.row.counters.as_deref());
        let raw = ToldMessages { own, others };
        MessageCounters::advanced(before, raw, self.started_ms, now).text()
    }

    /// Whether another worker runs it.
    pub(super) fn is_elsewhere(&self, session: &str) -> bool {
        let worker = self.sessions.get(session).and_then(|session| session.worker.as_ref());
        worker.zip(self.worker.as_ref()).is_some_and(|(worker, own)| worker != own)
    }
}

/// Adds what WAHA says of a session that says it works.
pub(super) async fn ask_further(
    api: &WahaApi,
    session: &str,
    evidence: &mut Evidence,
    now: DateTime<Utc>,
) -> Result<(), WahaError> {
    if evidence.status != WORKING || evidence.is_elsewhere {
        return Ok(());
    }
    let state = api.session_state(session).await.inspect_err(|error| {
        evidence.is_unanswered = error.is_unanswered();
    })?;
    evidence.engine = state.connection;
    // Newer than the list of all.
    if !state.status.is_empty() {
        evidence.status = state.status;
    }
    if evidence.status != WORKING {
        return Ok(());
    }
    // Something just came: there is nothing to be found in the store.
    let is_fresh = evidence.heard_at.is_some_and(|heard_at| now - heard_at < ON_ITS_WAY);
    if state.has_store != Some(true) || is_fresh {
        return Ok(());
    }
    match newest(api, session, now).await {
        Ok(newest_at) => evidence.newest_at = newest_at,
        // An outage of WAHA, which says nothing of the session.
        Err(error @ (WahaError::Away(_) | WahaError::Resting(_) | WahaError::Unauthorized)) => {
            evidence.is_unanswered = error.is_unanswered();
            return Err(error);
        }
        // The key may not read, or this engine can't tell.
        Err(WahaError::Forbidden | WahaError::Unsupported | WahaError::NotFound(_)) => {}
        Err(error) => {
            (evidence.has_failed, evidence.is_unanswered) = (true, error.is_unanswered());
        }
    }
    Ok(())
}

/// When the newest message of somebody else was sent that the engine has stored. Own ones are left out: which events
/// tell them is configured, and NOWEB gave historic ones the time of the request.
async fn newest(
    api: &WahaApi,
    session: &str,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, WahaError> {
    let until = now + AHEAD;
    let query = MessageQuery {
        session,
        chat: ALL_CHATS,
        from_s: None,
        until_s: Some(until.timestamp()),
        is_ascending: false,
        offset: 0,
        limit: NEWEST,
    };
    Ok(newest_until(api.messages(Patience::Light, &query).await?.sent_by_others(), until))
}

/// The newest of some times in Unix seconds, up to one: not every engine listens to that.
fn newest_until(sent_s: Vec<i64>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let told = sent_s.into_iter().filter(|sent_s| *sent_s <= until.timestamp());
    DateTime::from_timestamp(told.max()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else one such message would hide for as long that webhooks do not arrive.
    #[test]
    fn a_message_of_the_future_hides_no_other() {
        let at = |sent_s| DateTime::from_timestamp(sent_s, 0);
        let until = at(1_790_000_300).unwrap();
        let ahead = 1_790_000_000 + 400 * 86_400;
        assert_eq!(newest_until(vec![ahead, 1_790_000_000, 5], until), at(1_790_000_000));
        assert_eq!(newest_until(vec![1_790_000_300], until), at(1_790_000_300));
        assert_eq!(newest_until(vec![ahead, i64::MAX], until), None);
    }
}
