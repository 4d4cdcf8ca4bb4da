//! The database as a configuration has it: its URL, which is taken over while the process runs, and what
//! only a restart changes.
//!
//! Used by `reload`.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::config::Config;

/// A database as far as a change of it matters.
#[derive(Clone, PartialEq)]
pub(super) struct DatabaseSettings {
    /// Of the URL, which holds a password.
    url_hash: [u8; 32],
    /// Of the replica's URL; none without one.
    read_url_hash: Option<[u8; 32]>,
    /// Of the URL up to its colon, and whether there is a replica; of a file all of it.
    fixed: String,
}

impl DatabaseSettings {
    pub(super) fn of(config: &Config) -> Self {
        let url = config.database_url.expose_secret();
        let scheme = url.split(':').next().unwrap_or_default();
        let fixed = match scheme {
            "postgres" | "postgresql" => "postgres",
            "mysql" | "mariadb" => "mysql",
            _ => url,
        };
        let read_url = config.read_url.as_ref().map(ExposeSecret::expose_secret);
        let read_url_hash = read_url.map(|url| Sha256::digest(url).into());
        let replica = if read_url.is_some() { " with a replica" } else { "" };
        let fixed = format!("{fixed}{replica}");
        Self { url_hash: Sha256::digest(url).into(), read_url_hash, fixed }
    }

    /// What only a restart changes.
    pub(super) fn fixed(&self) -> &str {
        &self.fixed
    }

    /// Whether the same replica is reached or entered otherwise, or another one is read from.
    pub(super) fn differs_in_read_url(&self, other: &Self) -> bool {
        self.read_url_hash != other.read_url_hash && self.fixed == other.fixed
    }

    /// Whether it is the same kind of database, reached or entered otherwise.
    pub(super) fn differs_in_url(&self, other: &Self) -> bool {
        self.url_hash != other.url_hash && self.fixed == other.fixed
    }
}
