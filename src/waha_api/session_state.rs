//! A session as WAHA itself sees it, and when WAHA started.
//!
//! `GET /api/sessions/{session}` and `GET /api/server/status`: neither waits for the session, and neither asks
//! WhatsApp. The configuration in the answer holds keys and passwords: nothing of it is kept but what is named here.

use super::{Patience, WahaApi, WahaError};
use crate::waha::json::{self, Node};

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionState {
    /// WAHA's word: `WORKING`, `STOPPED`, …
    pub status: String,
    /// `NOWEB`, `GOWS`, `WEBJS` or `WPP`; none while it does not run.
    pub engine: Option<String>,
    /// Whether the engine keeps messages; none where nothing says so.
    pub has_store: Option<bool>,
    /// The account, as JSON text: what webhooks have under `me`.
    pub me: Option<String>,
    /// The worker that runs it, where there are several.
    pub worker: Option<String>,
    /// What the engine says of its connection to WhatsApp.
    pub connection: EngineState,
}

/// What an engine says of its connection to WhatsApp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineState {
    /// Nothing: NOWEB has no deeper state, and the others may be starting.
    #[default]
    Untold,
    /// It is connected.
    Connected,
    /// It is not, whatever the status of the session is.
    Dead,
}

impl WahaApi {
    /// A session as WAHA itself sees it.
    pub async fn session_state(&self, session: &str) -> Result<SessionState, WahaError> {
        let body = self.get(Patience::Light, session, &["api", "sessions", session], &[]).await?;
        let body = body.ok_or(WahaError::NotReady)?;
        read(&body, state_of)
    }

    /// When this WAHA started, in Unix milliseconds: another one means that what it had in memory is lost.
    pub async fn started_at_ms(&self) -> Result<i64, WahaError> {
        let body = self.get(Patience::Light, "", &["api", "server", "status"], &[]).await?;
        let started = read(&body.unwrap_or_default(), |node| node.at("startTimestamp").int())?;
        started.ok_or(WahaError::Unusable("it tells no startTimestamp"))
    }
}

pub(super) fn read<T>(body: &[u8], of: impl FnOnce(Node<'_>) -> T) -> Result<T, WahaError> {
    let text = json::storable(body);
    let parsed = json::parse(&text).map_err(|_| WahaError::Unusable("it is no JSON"))?;
    Ok(of(Node::from(&parsed)))
}

fn state_of(session: Node<'_>) -> SessionState {
    let engine = session.at("engine").at("engine").text();
    SessionState {
        status: session.at("status").text().unwrap_or_default(),
        has_store: has_store(engine.as_deref(), session.at("config")),
        me: session.at("me").to_json(),
        worker: session.at("assignedWorker").text(),
        connection: connection_of(session.at("engine")),
        engine,
    }
}

/// NOWEB keeps messages only if it is told to; GOWS unless it is told not to.
fn has_store(engine: Option<&str>, config: Node<'_>) -> Option<bool> {
    match engine? {
        "NOWEB" => Some(config.path("noweb.store.enabled").flag().unwrap_or(false)),
        "GOWS" => Some(config.path("gows.storage.messages").flag().unwrap_or(true)),
        _ => None,
    }
}

fn connection_of(engine: Node<'_>) -> EngineState {
    let gows = engine.at("gows");
    let stream = engine.at("grpc").at("stream").str();
    if gows.at("connected").flag() == Some(false) || stream.is_some_and(|it| it != "READY") {
        return EngineState::Dead;
    }
    match engine.at("state").str() {
        Some("CONNECTED") => EngineState::Connected,
        Some(_) => EngineState::Dead,
        None if gows.at("connected").flag() == Some(true) => EngineState::Connected,
        None => EngineState::Untold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(text: &str) -> SessionState {
        read(text.as_bytes(), state_of).unwrap()
    }

    #[test]
    fn engines_say_in_their_own_ways_whether_they_live() {
        let of = |engine: &str| state(&format!(r#"{{"engine":{engine}}}"#)).connection;
        let gows = |stream: &str, connected| {
            of(&format!(
                r#"{{"engine":"GOWS","grpc":{{"client":"READY","stream":"{stream}"}},
                    "gows":{{"found":true,"connected":{connected}}}}}"#
            ))
        };
        assert_eq!(gows("READY", true), EngineState::Connected);
        assert_eq!(gows("READY", false), EngineState::Dead);
        assert_eq!(gows("TRANSIENT_FAILURE", true), EngineState::Dead);
        assert_eq!(of(r#"{"engine":"WEBJS","state":"CONNECTED"}"#), EngineState::Connected);
        assert_eq!(of(r#"{"engine":"WEBJS","state":"UNPAIRED"}"#), EngineState::Dead);
        assert_eq!(of(r#"{"engine":"NOWEB"}"#), EngineState::Untold);
        assert_eq!(of("null"), EngineState::Untold);
    }

    #[test]
    fn a_store_is_off_in_noweb_and_on_in_gows_unless_the_configuration_says_otherwise() {
        let of = |engine: &str, config: &str| {
            let text = format!(r#"{{"engine":{{"engine":"{engine}"}},"config":{config}}}"#);
            state(&text).has_store
        };
        assert_eq!(of("NOWEB", "null"), Some(false));
        assert_eq!(of("NOWEB", r#"{"noweb":{"store":{"enabled":true}}}"#), Some(true));
        assert_eq!(of("GOWS", "{}"), Some(true));
        assert_eq!(of("GOWS", r#"{"gows":{"storage":{"messages":false}}}"#), Some(false));
        assert_eq!(of("WEBJS", "{}"), None);
    }
}
