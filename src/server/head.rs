//! What is kept of a head while its body arrives.
//!
//! Called before the application sees a request. Strangers can let a body wait, and with it the head: what
//! stays of that is what `receive` reads, whatever came. Invariant: nothing is read later that is not kept here.

use std::sync::LazyLock;

use actix_http::{HttpMessage, Request};
use actix_web::http::Uri;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

use super::Door;
use super::address::sender;
use super::receive::{HEADER_BYTES_MAX, KEPT};
use super::refusal::{HMAC, HMAC_ALGORITHM};

static READ: LazyLock<Vec<HeaderName>> = LazyLock::new(|| {
    let own = [&HMAC, &HMAC_ALGORITHM, &CONTENT_LENGTH];
    own.into_iter().chain(KEPT.iter()).cloned().collect()
});

/// Notes whose request it is, as a `ClientAddress` among its extensions, and forgets what nobody reads.
pub(super) fn trim(door: &Door, request: &mut Request) {
    if let Some(peer) = request.peer_addr() {
        let address = sender(peer.ip(), request.headers(), &door.limits.trusted_proxies);
        request.extensions_mut().insert(address);
    }
    let head = request.head_mut();
    head.headers = trimmed_headers(&head.headers);
    // The query; the target of a method that we do not have may be no path.
    if head.uri.query().is_some()
        && let Ok(path) = head.uri.path().parse::<Uri>()
    {
        head.uri = path;
    }
}

/// Copies, so that the buffer that the head came in can be used again.
fn trimmed_headers(headers: &HeaderMap) -> HeaderMap {
    let mut trimmed = HeaderMap::with_capacity(READ.len());
    for name in READ.iter() {
        let Some(value) = headers.get(name) else { continue };
        // What is too long stays too long.
        let bytes = &value.as_bytes()[..value.len().min(HEADER_BYTES_MAX + 1)];
        let copy = HeaderValue::from_bytes(bytes).unwrap_or_else(|_| value.clone());
        trimmed.insert(name.clone(), copy);
    }
    trimmed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_head_leaves_little_behind() {
        let mut headers = HeaderMap::new();
        for number in 0..90 {
            let name = HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static("x"));
        }
        for name in READ.iter() {
            let long = HeaderValue::from_bytes(&[b'x'; 2_000]).unwrap();
            headers.append(name.clone(), long.clone());
            headers.append(name.clone(), long);
        }
        let trimmed = trimmed_headers(&headers);
        assert_eq!(trimmed.len(), READ.len());
        assert!(trimmed.iter().all(|(_, value)| value.len() == HEADER_BYTES_MAX + 1));
    }
}
