//! What a source's sessions should have: one webhook, to our door.

use std::sync::{Arc, PoisonError, RwLock};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};

use crate::waha::session_config::HIDDEN;

/// The policy with which fifteen attempts take 36 hours instead of half a minute.
pub(super) const POLICY: &str = "exponential";

/// Who may change the configurations of a source's sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manage {
    /// It is not even looked at them.
    Off,
    /// What is otherwise is told.
    Check,
    /// What is otherwise is put right.
    Apply,
}

/// How a source's webhooks are registered in its WAHA.
#[derive(Clone)]
pub struct RegistrarOptions {
    /// What each session should have.
    pub webhook: WantedWebhook,
    /// Who may change it.
    pub manage: Manage,
    /// The key that WAHA should sign with: the newest that the door knows.
    pub key: SigningKey,
}

/// A webhook as WAHA's configuration has it, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedWebhook {
    /// Where WAHA reaches the door; without user and query.
    pub url: Url,
    /// Names of events; `*` is all but `state.change` and `engine.event`.
    pub events: Vec<String>,
    /// Seconds before the first retry; it doubles with each further one.
    pub retry_delay_s: u32,
    /// Retries.
    pub retry_attempts: u32,
}

/// WAHA's order of members.
#[derive(Serialize)]
struct Entry<'a> {
    url: &'a str,
    events: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    hmac: Option<Value>,
    retries: Retries,
}

#[derive(Serialize)]
struct Retries {
    policy: &'static str,
    #[serde(rename = "delaySeconds")]
    delay_seconds: u32,
    attempts: u32,
}

impl WantedWebhook {
    /// As JSON text, with this key in the clear.
    pub(super) fn json(&self, key: Option<&SecretString>) -> String {
        self.written(key.map(ExposeSecret::expose_secret))
    }

    /// The same for people.
    pub(super) fn shown(&self, has_key: bool) -> String {
        self.written(has_key.then_some(HIDDEN))
    }

    fn written(&self, key: Option<&str>) -> String {
        let entry = Entry {
            url: self.url.as_str(),
            events: &self.events,
            hmac: key.map(|key| json!({ "key": key })),
            retries: self.retries(),
        };
        // Texts and numbers: nothing of it can fail.
        serde_json::to_string(&entry).unwrap_or_default()
    }

    fn retries(&self) -> Retries {
        let (delay_seconds, attempts) = (self.retry_delay_s, self.retry_attempts);
        Retries { policy: POLICY, delay_seconds, attempts }
    }

    /// The retries alone, for people.
    pub(super) fn retries_shown(&self) -> String {
        serde_json::to_string(&self.retries()).unwrap_or_default()
    }
}

/// A key that may change while the process runs. Clones are one key.
#[derive(Clone, Default)]
pub struct SigningKey(Arc<RwLock<Option<SecretString>>>);

impl SigningKey {
    /// The key as it is now; none where the door verifies nothing.
    pub fn get(&self) -> Option<SecretString> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on it is another one.
    pub fn replace(&self, key: Option<SecretString>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }
}

impl From<Option<SecretString>> for SigningKey {
    fn from(key: Option<SecretString>) -> Self {
        Self(Arc::new(RwLock::new(key)))
    }
}
