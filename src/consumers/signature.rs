//! Signs requests as Standard Webhooks says (<https://www.standardwebhooks.com>), version 1. By hand, because the
//! crate of that name is not kept up and what is needed of it are twenty lines; its vectors are the test.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What a secret begins with whose rest is base64.
const PREFIX: &str = "whsec_";
/// Shortest secret, in bytes: a guess is checked without asking anybody.
const BYTES_MIN: usize = 16;

/// What a receiver and we know.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// What follows the prefix is not base64.
    #[error("what follows whsec_ must be base64")]
    Encoding,
    /// It can be guessed.
    #[error("must have at least {BYTES_MIN} bytes")]
    Short,
}

impl Secret {
    /// Reads `whsec_` and base64, or any other text as it is.
    pub fn parse(text: &SecretString) -> Result<Self, SecretError> {
        let text = text.expose_secret();
        let key = match text.strip_prefix(PREFIX) {
            Some(encoded) => BASE64_STANDARD.decode(encoded).map_err(|_| SecretError::Encoding)?,
            None => text.as_bytes().to_vec(),
        };
        if key.len() < BYTES_MIN {
            return Err(SecretError::Short);
        }
        Ok(Self(hmac(&key)))
    }

    fn sign(&self, id: &str, at_s: i64, body: &[u8]) -> String {
        let head = format!("{id}.{at_s}.");
        let mac = self.0.clone().chain_update(head).chain_update(body).finalize();
        format!("v1,{}", BASE64_STANDARD.encode(mac.into_bytes()))
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// What the header `webhook-signature` says: one signature for each secret.
pub fn signatures(secrets: &[Secret], id: &str, at_s: i64, body: &[u8]) -> String {
    let each: Vec<String> = secrets.iter().map(|secret| secret.sign(id, at_s, body)).collect();
    each.join(" ")
}

/// The secrets of all webhooks by the consumers' names.
#[derive(Default)]
pub struct SecretsInForce(RwLock<HashMap<String, Arc<[Secret]>>>);

impl SecretsInForce {
    /// Signs with these from now on.
    pub fn replace(&self, consumer: &str, secrets: Vec<Secret>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(consumer.to_owned(), secrets.into());
    }

    /// Those of a consumer.
    pub fn of(&self, consumer: &str) -> Arc<[Secret]> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(consumer).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the specification's own libraries.
    #[test]
    fn signs_as_the_specification_does() {
        let secret = Secret::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let signature = secret.sign(id, 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = signatures(&[secret.clone(), secret], id, 1_614_265_330, body);
        assert_eq!(both, format!("{signature} {signature}"));
    }

    #[test]
    fn secrets_that_can_be_guessed_are_refused() {
        let parse = |text: &str| Secret::parse(&text.into()).map(drop);
        assert_eq!(parse("short"), Err(SecretError::Short));
        assert_eq!(parse("whsec_"), Err(SecretError::Short));
        assert_eq!(parse("whsec_?"), Err(SecretError::Encoding));
        assert_eq!(parse("a plain text of some length"), Ok(()));
    }
}
