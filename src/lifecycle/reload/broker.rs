//! The broker as a configuration has it: its URLs, which are taken over while the process runs, and what
//! only a restart changes.
//!
//! Used by `reload`.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::config::{Backend, BrokerConfig, Config};

/// A broker as far as a change of it matters.
#[derive(Clone, PartialEq)]
pub(super) struct BrokerSettings {
    /// Of each URL; the URLs hold passwords.
    url_hashes: Vec<[u8; 32]>,
    fixed: FixedSettings,
}

/// What only a restart changes.
#[derive(Clone, PartialEq)]
pub(super) struct FixedSettings {
    prefix: String,
    ca_pem: Option<String>,
    taps: bool,
}

impl BrokerSettings {
    /// None with the embedded queue.
    pub(super) fn of(config: &Config) -> Option<Self> {
        let Backend::Broker(broker) = &config.queue.backend else { return None };
        let BrokerConfig { urls, prefix, ca_pem, taps, .. } = broker;
        let prefix = prefix.clone();
        let ca_pem = ca_pem.clone();
        let taps = *taps;
        let fixed = FixedSettings { prefix, ca_pem, taps };
        Some(Self { url_hashes: urls.iter().map(hash).collect(), fixed })
    }

    /// What only a restart changes.
    pub(super) fn fixed(&self) -> &FixedSettings {
        &self.fixed
    }

    /// Whether it is the same broker, reached or entered otherwise.
    pub(super) fn differs_in_urls(&self, other: &Self) -> bool {
        self.url_hashes != other.url_hashes
    }
}

fn hash(url: &SecretString) -> [u8; 32] {
    Sha256::digest(url.expose_secret()).into()
}
