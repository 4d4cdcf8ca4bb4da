//! A raw request, the source's keys and the time of arrival -> a [`Webhook`]. Pure.
//!
//! Called by `server::receive` only. The signature is checked over the raw bytes before anything is
//! read from them. A signed body that is no envelope is still a webhook: `normalize` refuses it and
//! it ends as a dead letter, because WAHA would only repeat it and then drop it.
//!
//! Invariant: headers are not signed, so they never make an identity, and never a time after arrival.
//! Who repeats an old body (of 2024 and before, without id and time) under other headers repeats one
//! webhook.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::envelope::{Envelope, milliseconds};
use super::source::{KeyIndex, Source};
use super::storable::TIME_MS_MAX;
use super::trace_parent::TRACE_PARENT_HEADER;
use super::{Headers, Receipt, Webhook, WebhookKey, WebhookParts};

/// Length of an HMAC-SHA512.
const SIGNATURE_BYTES: usize = 64;
/// 2009-01-01: there was no WhatsApp before it, so an earlier webhook time is not believed.
const PAST_MS_MIN: i64 = 1_230_768_000_000;

/// Header: when WAHA created the event, decimal ms.
pub const TIMESTAMP_HEADER: &str = "x-webhook-timestamp";
/// Header: WAHA's name of the request, the same on every retry.
pub const REQUEST_ID_HEADER: &str = "x-webhook-request-id";
/// Header: lower-case hex HMAC of the raw body.
pub const HMAC_HEADER: &str = "x-webhook-hmac";
/// Header: the algorithm of the HMAC; only `sha512` exists.
pub const HMAC_ALGORITHM_HEADER: &str = "x-webhook-hmac-algorithm";
/// The headers that travel with the webhook.
pub const KEPT_HEADERS: [&str; 4] =
    [REQUEST_ID_HEADER, TIMESTAMP_HEADER, "user-agent", TRACE_PARENT_HEADER];

/// What came in over HTTP.
pub struct RawRequest<'a> {
    /// Value of [`HMAC_HEADER`].
    pub hmac: Option<&'a str>,
    /// Value of [`HMAC_ALGORITHM_HEADER`].
    pub hmac_algorithm: Option<&'a str>,
    /// Those of [`KEPT_HEADERS`] that were sent.
    pub headers: Headers,
    /// The body as it came over the wire.
    pub body: Bytes,
}

/// Why a request is not from its source. The answer is 401 and nothing is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No `X-Webhook-Hmac`.
    #[error("the request is not signed: it has no X-Webhook-Hmac")]
    Unsigned,
    /// `X-Webhook-Hmac-Algorithm` is not `sha512`.
    #[error("the signature algorithm is not sha512")]
    Algorithm,
    /// No key of the source made this signature.
    #[error("the signature is wrong")]
    Signature,
}

/// Checks the signature, then fixes identity and time of the webhook.
pub fn verify(
    source: &Source,
    request: RawRequest<'_>,
    receipt: Receipt,
    received_at_ms: i64,
) -> Result<(Webhook, KeyIndex), VerifyError> {
    let key_index = check_signature(source, &request)?;
    let RawRequest { headers, body, .. } = request;
    let envelope = Envelope::read(&body).ok();
    let at_ms = webhook_time(envelope.as_ref(), &headers, received_at_ms);
    let key = webhook_key(source, envelope, &body);
    let parts = WebhookParts { key, receipt, at_ms, received_at_ms, replay: false, headers, body };
    Ok((Webhook::from(parts), key_index))
}

fn check_signature(source: &Source, request: &RawRequest<'_>) -> Result<KeyIndex, VerifyError> {
    if source.is_verified() {
        request.hmac.ok_or(VerifyError::Unsigned)?;
        let algorithm = request.hmac_algorithm.unwrap_or("sha512");
        if !algorithm.eq_ignore_ascii_case("sha512") {
            return Err(VerifyError::Algorithm);
        }
    }
    let signature = request.hmac.and_then(signature);
    let signature = signature.as_ref().map(<[u8; SIGNATURE_BYTES]>::as_slice);
    source.matching_key(&request.body, signature).ok_or(VerifyError::Signature)
}

/// Reads hex; none if it is anything but a SHA-512.
fn signature(text: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let mut signature = [0; SIGNATURE_BYTES];
    hex::decode_to_slice(text.trim(), &mut signature).is_ok().then_some(signature)
}

/// The signed id, else the hash of the signed body: the same at every retry of WAHA's.
fn webhook_key(source: &Source, envelope: Option<Envelope>, body: &Bytes) -> WebhookKey {
    let (session, event_type, id) = match envelope {
        Some(envelope) => (envelope.session, envelope.event, envelope.id),
        None => Default::default(),
    };
    let id = id.unwrap_or_else(|| hash_id("body", body));
    WebhookKey { source: source.name().to_owned(), session, event_type, id }
}

/// A short text that stands for bytes.
pub(super) fn hash_id(prefix: &str, bytes: &[u8]) -> String {
    format!("{prefix}_{}", &hex::encode(Sha256::digest(bytes))[..32])
}

/// The signed time as told; else the header's unless it is after the arrival; else the arrival. Times
/// that can't be are passed over.
fn webhook_time(envelope: Option<&Envelope>, headers: &Headers, received_at_ms: i64) -> i64 {
    let signed = envelope.and_then(|envelope| envelope.timestamp_ms);
    let header = headers.get(TIMESTAMP_HEADER).and_then(|text| milliseconds(text));
    let within = |latest_ms| move |ms: &i64| (PAST_MS_MIN..=latest_ms).contains(ms);
    signed
        .filter(within(TIME_MS_MAX))
        .or(header.filter(within(received_at_ms)))
        .unwrap_or(received_at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::AHEAD_MS_MAX;

    const NOW: i64 = 1_776_240_201_000;

    fn request(body: &'static [u8], headers: &[(&str, &str)]) -> RawRequest<'static> {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        RawRequest { hmac: None, hmac_algorithm: None, headers, body: Bytes::from_static(body) }
    }

    fn accept(body: &'static [u8], headers: &[(&str, &str)]) -> Webhook {
        let source = Source::unverified("default");
        verify(&source, request(body, headers), Receipt(1), NOW).unwrap().0
    }

    #[test]
    fn identity_is_what_is_signed() {
        let headers = [(REQUEST_ID_HEADER, "18a767")];
        let told = accept(br#"{"event":"message","session":"s","id":"evt_1"}"#, &headers);
        assert_eq!(told.key().id, "evt_1");
        let old = accept(br#"{"event":"message","session":"s"}"#, &headers);
        assert!(old.key().id.starts_with("body_"));
        for headers in [vec![], vec![(REQUEST_ID_HEADER, "18a768"), (TIMESTAMP_HEADER, "5")]] {
            let repeated = accept(br#"{"event":"message","session":"s"}"#, &headers);
            assert_eq!(repeated.key(), old.key());
        }
        let malformed = accept(b"{", &headers);
        assert_eq!(malformed.key(), accept(b"{", &[]).key());
        let long = format!(r#"{{"event":"message","id":"{}"}}"#, "x".repeat(5000));
        assert_eq!(accept(long.leak().as_bytes(), &[]).key().id.len(), 35);
    }

    #[test]
    fn an_unbelievable_time_is_passed_over() {
        let body = br#"{"event":"message","timestamp":-5}"#;
        assert_eq!(accept(body, &[(TIMESTAMP_HEADER, "1776240200733")]).at_ms(), 1_776_240_200_733);
        assert_eq!(accept(body, &[(TIMESTAMP_HEADER, "99999999999999")]).at_ms(), NOW);
        let beyond = br#"{"event":"message","timestamp":99999999999999999}"#;
        assert_eq!(accept(beyond, &[]).at_ms(), NOW);
    }

    #[test]
    fn a_header_tells_no_time_after_the_arrival() {
        let ahead = (NOW + 7_200_000).to_string();
        let headers = [(TIMESTAMP_HEADER, ahead.as_str())];
        assert_eq!(accept(br#"{"event":"message"}"#, &headers).at_ms(), NOW);
    }

    #[test]
    fn a_signed_time_is_kept_as_told_and_orders_at_most_an_hour_ahead() {
        let tomorrow = accept(br#"{"event":"message","timestamp":1776323001000}"#, &[]);
        assert_eq!(tomorrow.at_ms(), NOW + 23 * AHEAD_MS_MAX);
        assert_eq!(tomorrow.ordering_at_ms(), NOW + AHEAD_MS_MAX);
        let late = accept(br#"{"event":"message","timestamp":1776236601000}"#, &[]);
        assert_eq!(late.ordering_at_ms(), NOW - AHEAD_MS_MAX);
    }

    #[test]
    fn a_malformed_body_is_a_webhook_without_session_and_event() {
        let webhook = accept(b"not json", &[]);
        assert_eq!((webhook.key().session.as_str(), webhook.key().event_type.as_str()), ("", ""));
    }

    #[test]
    fn unsigned_odd_or_wrong_requests_are_refused() {
        let source = Source::signed("default", &["secret".into()]);
        let check = |hmac, hmac_algorithm| {
            let request = RawRequest { hmac, hmac_algorithm, ..request(b"{}", &[]) };
            verify(&source, request, Receipt(1), NOW).map(|_| ()).unwrap_err()
        };
        assert_eq!(check(None, None), VerifyError::Unsigned);
        assert_eq!(check(Some("00"), Some("sha256")), VerifyError::Algorithm);
        assert_eq!(check(Some("00"), Some("")), VerifyError::Algorithm);
        assert_eq!(check(Some("00"), Some("sha512")), VerifyError::Signature);
        assert_eq!(check(Some("not hex"), None), VerifyError::Signature);
    }
}
