//! A source: a configured WAHA server and the keys that its webhooks are signed with.

use std::sync::{Arc, PoisonError, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256, Sha512};

/// A configured WAHA server.
pub struct Source {
    name: String,
    /// None: nothing is verified. Replaced whole, so that no request sees half of a rotation.
    keys: Option<RwLock<Arc<[Key]>>>,
}

struct Key {
    hmac: Hmac<Sha512>,
    print: KeyPrint,
}

/// What a key is known by without being shown: its hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyPrint([u8; 32]);

/// How a source's keys changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// Keys that were not there before.
    pub added: usize,
    /// Keys that are not there any more.
    pub removed: usize,
    /// Keys that are there now.
    pub count: usize,
}

/// Which of a source's keys signed a request; the first is 0. None: the source verifies nothing.
pub type KeyIndex = Option<usize>;

impl Source {
    /// A source whose webhooks are signed with any of `keys` (several during a rotation).
    pub fn signed(name: &str, keys: &[SecretString]) -> Self {
        Self { name: name.to_owned(), keys: Some(RwLock::new(read(keys))) }
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
        let keys = Arc::clone(&keys.read().unwrap_or_else(PoisonError::into_inner));
        keys.iter()
            .position(|key| key.hmac.clone().chain_update(body).verify_slice(signature).is_ok())
            .map(Some)
    }

    /// Verifies by these keys from now on. None if they are the ones in use, if there are none, or if
    /// this source verifies nothing: a rotation never opens or closes a door.
    pub fn replace_keys(&self, keys: &[SecretString]) -> Option<KeyChange> {
        let in_use = self.keys.as_ref()?;
        let keys = read(keys);
        let mut in_use = in_use.write().unwrap_or_else(PoisonError::into_inner);
        let prints = |keys: &[Key]| -> Vec<KeyPrint> { keys.iter().map(|key| key.print).collect() };
        let (before, after) = (prints(&in_use), prints(&keys));
        if after.is_empty() || before == after {
            return None;
        }
        *in_use = keys;
        let missing = |of: &[KeyPrint], from: &[KeyPrint]| {
            of.iter().filter(|print| !from.contains(print)).count()
        };
        Some(KeyChange {
            added: missing(&after, &before),
            removed: missing(&before, &after),
            count: after.len(),
        })
    }
}

/// The lower-case hex HMAC-SHA512 of a body, as WAHA sends it in `X-Webhook-Hmac`.
pub fn sign(key: &SecretString, body: &[u8]) -> String {
    hex::encode(hmac(key.expose_secret()).chain_update(body).finalize().into_bytes())
}

impl KeyPrint {
    /// Of this key.
    pub fn of(key: &SecretString) -> Self {
        Self(Sha256::digest(key.expose_secret().as_bytes()).into())
    }
}

fn read(keys: &[SecretString]) -> Arc<[Key]> {
    let key = |key| Key { hmac: hmac(SecretString::expose_secret(key)), print: KeyPrint::of(key) };
    keys.iter().map(key).collect()
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

    #[test]
    fn keys_are_replaced_whole_and_never_by_none() {
        let source = Source::signed("default", &["old".into()]);
        let signed = |key: &str| hex::decode(sign(&SecretString::from(key), b"body")).unwrap();
        assert_eq!(source.replace_keys(&["old".into()]), None);
        assert_eq!(source.replace_keys(&[]), None);
        let change = source.replace_keys(&["new".into(), "newer".into()]);
        assert_eq!(change, Some(KeyChange { added: 2, removed: 1, count: 2 }));
        assert_eq!(source.matching_key(b"body", Some(&signed("old"))), None);
        assert_eq!(source.matching_key(b"body", Some(&signed("new"))), Some(Some(0)));
        assert_eq!(Source::unverified("default").replace_keys(&["new".into()]), None);
    }
}
