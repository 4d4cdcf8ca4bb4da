//! Sessions with their configuration, to the byte as WAHA wrote it: what is changed and written back.
//!
//! `GET /api/sessions`, `GET` and `PUT /api/sessions/{session}`, `POST /api/sessions/{session}/restart`. A PUT
//! replaces the whole configuration, and what is missing in it is dropped, so whoever changes a part must hand the
//! rest back as it was. Invariant: a configuration holds keys and passwords in the clear, so it is a secret here, and
//! a change is never sent twice by itself.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;

use super::{Patience, WahaApi, WahaError};
use crate::waha::raw_object::members;

/// How long a change may take: WAHA stops the session, writes, and starts it.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Whose budget a call about all sessions uses.
const ALL: &str = "";

/// A session and how it is configured.
#[derive(Clone, Debug)]
pub struct ConfiguredSession {
    /// Its name.
    pub name: String,
    /// WAHA's word: `WORKING`, `STOPPED`, …; empty if it tells none.
    pub status: String,
    /// The worker that runs it, where there are several; only the list of all sessions tells it.
    pub worker: Option<String>,
    /// The configuration, an object as JSON text; none if there never was one.
    pub config: Option<SecretString>,
}

/// Longest list of sessions that is read: ten thousand of them with large configurations.
pub(super) const SESSIONS_BYTES_MAX: usize = 128 << 20;

/// Longest name that fits its column; WAHA's have 54.
pub(super) const NAME_BYTES_MAX: usize = 255;
/// Longest word for a state that fits its columns.
const WORD_BYTES_MAX: usize = 32;

/// Whether a text can be what WAHA calls something, and be stored.
pub(super) fn is_word(text: &str, bytes_max: usize) -> bool {
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control)
}

/// As WAHA writes it: of a name that is there twice the last counts, as in JavaScript.
#[derive(Default)]
struct Told<'a> {
    name: Option<String>,
    status: Option<String>,
    worker: Option<String>,
    config: Option<&'a RawValue>,
}

impl<'a> Told<'a> {
    /// None if it is no session.
    fn read(text: &'a str) -> Option<Self> {
        let mut told = Self::default();
        for (name, value) in members(text)? {
            let word = || serde_json::from_str::<Option<String>>(value.get()).ok().flatten();
            match name.as_str() {
                "name" => told.name = word().filter(|name| is_word(name, NAME_BYTES_MAX)),
                "status" => told.status = word().filter(|word| is_word(word, WORD_BYTES_MAX)),
                "assignedWorker" => told.worker = word(),
                "config" => told.config = Some(value).filter(|value| value.get() != "null"),
                _ => {}
            }
        }
        told.name.is_some().then_some(told)
    }
}

impl WahaApi {
    /// All sessions that the key may see, also those that are stopped or belong to another worker.
    pub async fn configured_sessions(&self) -> Result<Vec<ConfiguredSession>, WahaError> {
        let url = self.url(&["api", "sessions"], &[("all", "true")]);
        let text = self.read_text(ALL, url).await?;
        let rows: Vec<&RawValue> =
            serde_json::from_str(&text).map_err(|_| WahaError::Unusable("it is no list"))?;
        // One that can't be read holds up no other.
        let told = rows.into_iter().filter_map(|row| Told::read(row.get()));
        let mut seen = HashSet::new();
        let told = told.map(ConfiguredSession::from);
        Ok(told.filter(|session| seen.insert(session.name.clone())).collect())
    }

    /// One session.
    pub async fn configured_session(&self, session: &str) -> Result<ConfiguredSession, WahaError> {
        let url = self.url(&["api", "sessions", session], &[]);
        let text = self.read_text(session, url).await?;
        let told = Told::read(&text).ok_or(WahaError::Unusable("it is no session"))?;
        Ok(told.into())
    }

    /// Replaces the whole configuration, an object as JSON text. The session starts anew if it runs.
    pub async fn replace_config(
        &self,
        session: &str,
        config: &SecretString,
    ) -> Result<(), WahaError> {
        let body = format!(r#"{{"config":{}}}"#, config.expose_secret());
        let url = self.url(&["api", "sessions", session], &[]);
        self.change(session, Method::PUT, url, body).await
    }

    /// Stops a session and starts it again. The key needs the scope `control`.
    pub async fn restart_session(&self, session: &str) -> Result<(), WahaError> {
        let url = self.url(&["api", "sessions", session, "restart"], &[]);
        self.change(session, Method::POST, url, String::new()).await
    }

    async fn read_text(&self, session: &str, url: Url) -> Result<String, WahaError> {
        self.take_budget(session).await;
        let request = self.calls.get(url).timeout(Patience::Light.limit());
        let body = self.send_and_read_up_to(request, SESSIONS_BYTES_MAX).await?;
        // Nothing at all is WAHA's null.
        let body = body.ok_or(WahaError::NotReady)?;
        String::from_utf8(body).map_err(|_| WahaError::Unusable("it is no UTF-8"))
    }

    /// Once: after an error nobody knows whether it was done.
    async fn change(
        &self,
        session: &str,
        method: Method,
        url: Url,
        body: String,
    ) -> Result<(), WahaError> {
        self.take_budget(session).await;
        let request = self.calls.request(method, url).timeout(CHANGE_TIMEOUT);
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        self.send_and_read(request).await.map(drop)
    }
}

impl From<Told<'_>> for ConfiguredSession {
    fn from(told: Told<'_>) -> Self {
        Self {
            name: told.name.unwrap_or_default(),
            status: told.status.unwrap_or_default(),
            worker: told.worker.filter(|worker| !worker.is_empty()),
            config: told.config.map(|config| SecretString::from(config.get())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_as_javascript_would() {
        let told = |text| {
            let told = Told::read(text)?;
            Some((told.name, told.worker, told.config.map(|it| it.get().to_owned())))
        };
        let named = |name: &str, worker: Option<&str>, config: Option<&str>| {
            Some((Some(name.to_owned()), worker.map(str::to_owned), config.map(str::to_owned)))
        };
        let twice = r#"{"name":"a","config":{"x":1},"name":"b","config":{"n": 1e999}}"#;
        assert_eq!(told(twice), named("b", None, Some(r#"{"n": 1e999}"#)));
        let odd = r#"{"name":"a","assignedWorker":7,"status":{},"config":null}"#;
        assert_eq!(told(odd), named("a", None, None));
        for none in ["7", "[]", r#"{"status":"WORKING"}"#, r#"{"name":null}"#] {
            assert_eq!(told(none), None, "{none}");
        }
    }
}
