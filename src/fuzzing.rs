//! What strangers' bytes reach first, as plain functions that hold every invariant: for the fuzz targets
//! of `tests/fuzz` and for the property tests in here, which run with every `cargo test`.
//!
//! Not in the crate that people use: with `cfg(test)` or the feature `fuzzing` only. A feature, because
//! the targets are a crate of their own and must reach what is private; nothing else becomes public by
//! it. Each function takes any bytes, fails by a panic, and has seeds: well-formed bytes to start from.

mod checks;
mod file;
mod seeds;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use file::{FileOutcome, queue_file};
pub use seeds::{broker_seed, file_seed, row_seed};

use self::checks::{check_changes, check_key, check_merge};
use crate::change::Changes;
use crate::normalize::{NormalizeError, Normalized, Rules, normalize};
use crate::queue::rabbitmq::fuzzing::{read_message, written};
use crate::queue::sqlite::fuzzing::{Row, claim_row};
use crate::queue::{Delivery, Failure};
use crate::webhook::source::Source;
use crate::webhook::verify::{REQUEST_ID_HEADER, RawRequest, TIMESTAMP_HEADER, verify};
use crate::webhook::{Headers, Receipt, Webhook};

/// Between the parts of an input: in no JSON and in no text.
pub const SEPARATOR: u8 = 0xff;

/// When requests arrive: 2026-11-18.
const ARRIVAL_MS: i64 = 1_795_000_000_000;

/// Request → verify → envelope → normalize → merge, for one body or two. Tells how many of them told
/// changes.
pub fn requests(bodies: &[u8]) -> usize {
    let bodies = bodies.split(|byte| *byte == SEPARATOR).take(2);
    let webhooks: Vec<Webhook> = bodies.map(accept).collect();
    let told: Vec<Changes> = webhooks.iter().filter_map(normalized).collect();
    if let ([one, other], [first, second]) = (&told[..], &webhooks[..])
        && checks::are_ordered(first, second)
    {
        check_merge(one, other);
    }
    told.len()
}

/// A message of the broker: length of its properties in four bytes, these, and its body. Tells whether
/// they could be read.
pub fn broker_message(message: &[u8]) -> bool {
    let Some((length, rest)) = message.split_first_chunk() else { return false };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let Some((properties, body)) = rest.split_at_checked(length) else { return false };
    let Some((webhook, failures)) = read_message(properties, body) else { return false };
    check_key(webhook.key());
    assert_eq!(webhook.body(), body, "a body is whole");
    if webhook.key().source.is_empty() {
        assert!(normalize(&webhook, &rules()).is_err(), "what is nobody's is applied to nobody");
    }
    normalized(&webhook);
    check_published_again(&webhook, &failures);
    true
}

/// What a retry writes is read as the same.
fn check_published_again(webhook: &Webhook, failures: &[Failure]) {
    let (again, failures_again) =
        read_message(&written(webhook, failures), webhook.body()).expect("what is written is read");
    assert_eq!(again.key(), webhook.key());
    assert_eq!(again.receipt(), webhook.receipt());
    assert_eq!(again.at_ms(), webhook.at_ms());
    assert_eq!(again.received_at_ms(), webhook.received_at_ms());
    assert_eq!(again.is_replay(), webhook.is_replay());
    assert_eq!(failures_again.is_empty(), failures.is_empty());
}

/// A row of the queue file or the spool: texts of its columns, then its body, between separators.
pub fn queue_row(row: &[u8]) {
    let mut parts = row.splitn(7, |byte| *byte == SEPARATOR);
    let mut next = || parts.next().unwrap_or_default();
    let [source, session, event_type, id, headers, failures] =
        std::array::from_fn(|_| String::from_utf8_lossy(next()).into_owned());
    let body = next();
    let times = [id.len(), source.len()].map(|length| i64::try_from(length).unwrap_or(0) << 40);
    let claimed = claim_row(&Row {
        texts: [source, session, event_type, id, headers],
        failures,
        times,
        body,
    });
    if let Some(delivery) = claimed {
        check_key(delivery.webhook().key());
        assert_eq!(delivery.webhook().body(), body, "a body is whole");
        normalized(delivery.webhook());
        check_failures(&delivery);
    }
}

fn check_failures(delivery: &Delivery) {
    for failure in delivery.failures().iter().cloned().map(Failure::storable) {
        assert!(!failure.error.chars().any(char::is_control), "{failure:?}");
    }
}

/// A request as the door takes it; its identity is the same whatever its headers and whenever it comes.
fn accept(body: &[u8]) -> Webhook {
    let source = Source::unverified("garden");
    let accept = |headers: Headers, receipt, at_ms| {
        let body = Bytes::copy_from_slice(body);
        let request = RawRequest { hmac: None, hmac_algorithm: None, headers, body };
        verify(&source, request, Receipt(receipt), at_ms).expect("it verifies nothing").0
    };
    let webhook = accept(Headers::new(), 1, ARRIVAL_MS);
    let headers = [(REQUEST_ID_HEADER, "r\0"), (TIMESTAMP_HEADER, "1794000000000")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let repeated = accept(headers.into(), 2, ARRIVAL_MS + 1);
    assert_eq!(webhook.key(), repeated.key(), "a repetition is the same webhook");
    check_key(webhook.key());
    webhook
}

/// What a webhook tells, if it tells any changes; the same each time, and all of it storable.
fn normalized(webhook: &Webhook) -> Option<Changes> {
    let [once, twice] =
        [(), ()].map(|()| normalize(webhook, &rules()).map_err(|it| it.to_string()));
    assert_eq!(once, twice, "the same webhook tells the same");
    assert_ne!(once, Err(NormalizeError::Panic.to_string()), "no input makes it panic");
    match once {
        Ok(Normalized::Changes(changes)) => {
            check_changes(&changes);
            Some(changes)
        }
        Ok(Normalized::Ignored(_)) | Err(_) => None,
    }
}

fn rules() -> Rules {
    Rules { user_id_key: "user.id".to_owned() }
}
