//! A source: a configured WAHA server and the keys that its webhooks are signed with.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha512;

/// A configured WAHA server.
pub struct Source {
    name: String,
    keys: Option<Vec<Hmac<Sha512>>>,
}

/// Which of a source's keys signed a request; the first is 0. None: the source verifies nothing.
pub type KeyIndex = Option<usize>;

impl Source {
    /// A source whose webhooks are signed with any of `keys` (several during a rotation).
    pub fn signed(name: &str, keys: &[SecretString]) -> Self {
        let keys = keys.iter().map(|key| hmac(key.expose_secret())).collect();
        Self { name: name.to_owned(), keys: Some(keys) }
    }

    /// A source that takes everything (`verify = "none"`).
    pub fn unverified(name: &str) -> Self {
        Self { name: name.to_owned(), keys: None }
    }

    /// Its name in paths, tables and metrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether signatures are checked.
    pub fn is_verified(&self) -> bool {
        self.keys.is_some()
    }

    /// Finds the key that made `signature` over `body`; compares in constant time.
    pub fn matching_key(&self, body: &[u8], signature: Option<&[u8]>) -> Option<KeyIndex> {
        let Some(keys) = &self.keys else { return Some(None) };
        let signature = signature?;
        keys.iter()
            .position(|key| key.clone().chain_update(body).verify_slice(signature).is_ok())
            .map(Some)
    }
}

/// The lower-case hex HMAC-SHA512 of a body, as WAHA sends it in `X-Webhook-Hmac`.
pub fn sign(key: &SecretString, body: &[u8]) -> String {
    hex::encode(hmac(key.expose_secret()).chain_update(body).finalize().into_bytes())
}

fn hmac(key: &str) -> Hmac<Sha512> {
    Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check vector of WAHA's documentation.
    #[test]
    fn signs_like_waha() {
        let signature = sign(
            &SecretString::from("my-secret-key"),
            br#"{"event":"message","session":"default","engine":"WEBJS"}"#,
        );
        assert!(signature.starts_with("208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476"));
        assert!(
            signature.ends_with(
                "01b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
            )
        );
    }

    #[test]
    fn finds_the_key_that_signed() {
        let keys = ["old", "new"].map(SecretString::from);
        let source = Source::signed("default", &keys);
        let by = |key: &str| hex::decode(sign(&SecretString::from(key), b"body")).unwrap();
        assert_eq!(source.matching_key(b"body", Some(&by("new"))), Some(Some(1)));
        assert_eq!(source.matching_key(b"body", Some(&by("other"))), None);
        assert_eq!(source.matching_key(b"tampered", Some(&by("new"))), None);
        assert_eq!(source.matching_key(b"body", None), None);
    }
}
