//! The sessions of a WAHA: `GET /api/sessions?all=true`.
//!
//! WAHA answers with the keys that sign webhooks and the passwords of proxies in the clear; they are left out here,
//! and go no further ([`SafeConfig`]).

use serde_json::value::RawValue;

use super::session_config::{NAME_BYTES_MAX, SESSIONS_BYTES_MAX, is_word};
use super::{Patience, WahaApi, WahaError};
use crate::waha::json::{self, Node};
use crate::waha::session_config::SafeConfig;

/// Whose budget a call about all sessions uses.
const ALL: &str = "";
/// Longest list that is read.
const SESSIONS_MAX: usize = 100_000;

/// A session as WAHA lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSession {
    /// Its name.
    pub name: String,
    /// WAHA's word: `WORKING`, `STOPPED`, …; empty if it tells none.
    pub status: String,
    /// The worker that runs it, where there are several.
    pub worker: Option<String>,
    /// The account, as JSON text; of one that does not run the remembered one.
    pub me: Option<String>,
    /// How it is configured; none if it never was.
    pub config: Option<SafeConfig>,
}

impl WahaApi {
    /// All sessions, also those that are stopped or belong to another worker.
    pub async fn sessions(&self) -> Result<Vec<ListedSession>, WahaError> {
        let url = self.url(&["api", "sessions"], &[("all", "true")]);
        self.take_budget(ALL).await;
        let request = self.calls.get(url).timeout(Patience::Light.limit());
        let body = self.send_and_read_up_to(request, SESSIONS_BYTES_MAX).await?;
        let body = body.unwrap_or_default();
        listed(&json::storable(&body))
    }
}

/// Each is read alone: one that is too complex, or none, holds up no other.
fn listed(text: &str) -> Result<Vec<ListedSession>, WahaError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|_| WahaError::Unusable("it is no list"))?;
    let of = |row: &RawValue| {
        let parsed = json::parse(row.get()).ok()?;
        let session = Node::from(&parsed);
        let config = session.at("config").to_json();
        let config = config.and_then(|text| serde_json::from_str(&text).ok());
        let config = config.as_ref().and_then(SafeConfig::of);
        Some(ListedSession {
            name: session.at("name").text().filter(|name| is_word(name, NAME_BYTES_MAX))?,
            status: session.at("status").text().unwrap_or_default(),
            worker: session.at("assignedWorker").text(),
            me: session.at("me").to_json(),
            config,
        })
    };
    Ok(rows.into_iter().take(SESSIONS_MAX).filter_map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_configuration_are_not_even_read() {
        let text = r#"[{"name":"sales","config":{"webhooks":[{"hmac":{"key":"S1"}}],"debug":true}},
            {"name":"new","status":"WORKING","assignedWorker":"w1","me":{"id":"1@c.us"},"config":null},
            {"status":"STOPPED"}]"#;
        let sessions = listed(text).unwrap();
        assert!(!format!("{sessions:?}").contains("S1"));
        let config = sessions[0].config.as_ref().unwrap();
        assert_eq!(config.json(), r#"{"debug":true,"webhooks":[{"hmac":{"key":"***"}}]}"#);
        let new = ListedSession {
            name: "new".to_owned(),
            status: "WORKING".to_owned(),
            worker: Some("w1".to_owned()),
            me: Some(r#"{"id":"1@c.us"}"#.to_owned()),
            config: None,
        };
        assert_eq!(sessions[1], new);
        assert_eq!(sessions.len(), 2);
    }
}
