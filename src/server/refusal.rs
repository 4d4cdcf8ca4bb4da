//! What the head of a request rules out, before its body is read. Pure.
//!
//! Used by `receive`, and before a client that asked is told to send its body. Invariant:
//! whatever passes here is checked again with its body; this only refuses earlier.

use actix_http::{HttpMessage, Request};
use actix_web::ResponseError;
use actix_web::body::BoxBody;
use actix_web::dev::{Response, Url};
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

use super::error::ReceiveError;
use super::{Door, WEBHOOKS};
use crate::webhook::EventType;
use crate::webhook::source::Source;
use crate::webhook::verify::{HMAC_ALGORITHM_HEADER, HMAC_HEADER, VerifyError};

/// Length of an HMAC-SHA512 in hex.
const SIGNATURE_CHARS: usize = 128;

pub(super) static HMAC: HeaderName = HeaderName::from_static(HMAC_HEADER);
pub(super) static HMAC_ALGORITHM: HeaderName = HeaderName::from_static(HMAC_ALGORITHM_HEADER);

/// The source, unless the head shows that the request will not be taken.
pub(super) fn check_head<'a>(
    source: Option<&'a Source>,
    headers: &HeaderMap,
    bytes_max: usize,
) -> Result<&'a Source, ReceiveError> {
    let source = source.ok_or(ReceiveError::UnknownSource)?;
    if announced_bytes(headers).is_some_and(|announced| announced > bytes_max) {
        return Err(ReceiveError::TooLarge { bytes_max });
    }
    if source.is_verified() {
        check_signature_headers(headers)?;
    }
    Ok(source)
}

fn check_signature_headers(headers: &HeaderMap) -> Result<(), VerifyError> {
    let signature = headers.get(&HMAC).ok_or(VerifyError::Unsigned)?;
    let algorithm = headers.get(&HMAC_ALGORITHM).map_or(&b"sha512"[..], HeaderValue::as_bytes);
    if !algorithm.eq_ignore_ascii_case(b"sha512") {
        return Err(VerifyError::Algorithm);
    }
    let signature = signature.as_bytes().trim_ascii();
    let is_hex = signature.len() == SIGNATURE_CHARS && signature.iter().all(u8::is_ascii_hexdigit);
    if is_hex { Ok(()) } else { Err(VerifyError::Signature) }
}

/// The length that a body is announced with.
pub(super) fn announced_bytes(headers: &HeaderMap) -> Option<usize> {
    let announced = text(headers, &CONTENT_LENGTH)?.trim();
    // Actix has refused whatever is no number.
    Some(announced.parse().unwrap_or(usize::MAX))
}

/// A header as text; none if it is none.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The answer to a client that asks before it sends its body (`Expect: 100-continue`), if it need not.
pub(super) fn refuse_expected(door: &Door, request: &Request) -> Option<Response<BoxBody>> {
    let url = Url::new(request.uri().clone());
    let name = url.path().strip_prefix(WEBHOOKS)?;
    let source = door.sources.get(name);
    let refused = check_head(source, request.headers(), door.limits.body_bytes_max).err()?;
    let source = source.map(Source::name);
    door.metrics.answered(source, EventType::Other, refused.response());
    door.refused(request.peer_addr(), request.headers(), source, refused.reason());
    Some(refused.error_response().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: Option<&Source>, headers: &[(&HeaderName, &[u8])]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append((*name).clone(), HeaderValue::from_bytes(value).unwrap());
        }
        check_head(source, &map, 1000).err().map(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_taken_is_refused_by_its_head() {
        let signed = Source::signed("default", &["secret".into()]);
        let good = "ab".repeat(64);
        let good = (&HMAC, good.as_bytes());
        let refused = |headers: &[(&HeaderName, &[u8])]| check(Some(&signed), headers).unwrap();
        assert!(check(None, &[good]).unwrap().contains("no source"));
        assert!(refused(&[good, (&CONTENT_LENGTH, b"1001")]).contains("1000 bytes"));
        assert!(
            refused(&[good, (&CONTENT_LENGTH, b"99999999999999999999")]).contains("1000 bytes")
        );
        assert!(refused(&[]).contains("not signed"));
        assert!(refused(&[(&HMAC, b"ab")]).contains("signature is wrong"));
        assert!(refused(&[(&HMAC, "zz".repeat(64).as_bytes())]).contains("signature is wrong"));
        assert!(refused(&[good, (&HMAC_ALGORITHM, b"sha1")]).contains("sha512"));
        assert!(refused(&[good, (&HMAC_ALGORITHM, b"sha512\xff")]).contains("sha512"));
    }

    #[test]
    fn what_may_be_right_passes() {
        let signed = Source::signed("default", &["secret".into()]);
        let good = " AB".to_owned() + &"cd".repeat(63);
        let headers: [(&HeaderName, &[u8]); 3] =
            [(&HMAC, good.as_bytes()), (&HMAC_ALGORITHM, b"SHA512"), (&CONTENT_LENGTH, b"1000")];
        assert_eq!(check(Some(&signed), &headers), None);
        assert_eq!(check(Some(&Source::unverified("default")), &[]), None);
    }
}
