//! What a browser shows to be known by, and what follows from it.
//!
//! Invariant: nothing that is stored or sent back leads to the cookie: hashes are stored, and pages
//! hold a code that is made of it.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::admin::access::Token;

/// Names of the cookie: with TLS browsers hold it to this host and to TLS.
const NAME: &str = "waha-ingest-console";
const NAME_WITH_TLS: &str = "__Host-waha-ingest-console";
/// How long a session lasts.
pub(super) const HOURS: i64 = 12;

/// 256 random bits.
#[derive(Clone)]
pub(super) struct Cookie([u8; 32]);

impl Cookie {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// That of a request. One that was set with TLS counts first.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let lines = || headers.get_all(COOKIE).filter_map(|line| line.to_str().ok());
        let value = |name: &str| {
            let pairs = lines().flat_map(|line| line.split(';'));
            pairs.filter_map(|pair| pair.trim().split_once('=')).find(|pair| pair.0 == name)
        };
        let (_, text) = value(NAME_WITH_TLS).or_else(|| value(NAME))?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// What its session is found by.
    pub(super) fn id_hash(&self) -> String {
        hex::encode(Sha256::digest(self.0))
    }

    /// Agrees with the token that was used to log in, as long as that has the same name and secret.
    pub(super) fn binding(&self, token: &Token) -> String {
        let (name, digest) = token.identity();
        self.code(&[b"token", name.as_bytes(), digest])
    }

    /// What forms hold: a page of somebody else's can't know it.
    pub(super) fn form_code(&self) -> String {
        self.code(&[b"form"])
    }

    /// Whether a form holds it.
    pub(super) fn is_form_code(&self, told: &str) -> bool {
        self.form_code().as_bytes().ct_eq(told.as_bytes()).into()
    }

    fn code(&self, parts: &[&[u8]]) -> String {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            hmac.update(part);
            // No part holds it: names are words, and the digest is the last.
            hmac.update(b"\0");
        }
        hex::encode(hmac.finalize().into_bytes())
    }

    /// The header that sets it.
    pub(super) fn header(&self, has_tls: bool) -> HeaderValue {
        set(has_tls, &hex::encode(self.0), HOURS * 3600)
    }

    /// The header that takes it away.
    pub(super) fn removing(has_tls: bool) -> HeaderValue {
        set(has_tls, "", 0)
    }
}

fn set(has_tls: bool, value: &str, seconds: i64) -> HeaderValue {
    let (name, secure) = if has_tls { (NAME_WITH_TLS, "; Secure") } else { (NAME, "") };
    let text =
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).expect("a cookie is plain text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::access::Role;

    fn sent(header: &str) -> Option<Cookie> {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(header).unwrap());
        Cookie::of(&headers)
    }

    #[test]
    fn it_comes_back_as_it_was_set() {
        let cookie = Cookie::random();
        for has_tls in [true, false] {
            let set = cookie.header(has_tls);
            let set = set.to_str().unwrap();
            assert_eq!(set.contains("Secure"), has_tls);
            assert!(set.contains("HttpOnly; SameSite=Strict"), "{set}");
            let back = sent(&format!("theme=x; {}", set.split(';').next().unwrap())).unwrap();
            assert_eq!(back.id_hash(), cookie.id_hash());
        }
        for strange in ["", "waha-ingest-console=", "waha-ingest-console=00", "x=y"] {
            assert!(sent(strange).is_none(), "{strange}");
        }
    }

    #[test]
    fn a_session_is_bound_to_name_and_secret() {
        let cookie = Cookie::random();
        let token = |name, secret: &str| Token::new(name, Role::Viewer, &secret.into());
        let binding = cookie.binding(&token("eye", "one"));
        assert_eq!(binding, cookie.binding(&token("eye", "one")));
        assert_ne!(binding, cookie.binding(&token("eye", "two")));
        assert_ne!(binding, cookie.binding(&token("ear", "one")));
        assert_ne!(binding, Cookie::random().binding(&token("eye", "one")));
        assert!(cookie.is_form_code(&cookie.form_code()) && !cookie.is_form_code(&binding));
    }
}
