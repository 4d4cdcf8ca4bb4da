//! The checksum of a stored webhook: a disk that changes a byte must not change what a webhook says.
//!
//! Made when it is published, compared when it is claimed and when a damaged file is read. `SQLite` has
//! none of its own outside its log.

use crc::{CRC_32_ISCSI, Crc, Table};

use crate::webhook::{WebhookKey, WebhookParts};

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Of everything that is stored. `headers` is their JSON text.
pub(super) fn checksum(parts: &WebhookParts, headers: &str) -> u32 {
    let WebhookParts { key, receipt, at_ms, received_at_ms, replay, headers: _, body } = parts;
    let WebhookKey { source, session, event_type, id } = key;
    let mut digest = CRC.digest();
    for text in
        [source, session, event_type, id, headers].map(str::as_bytes).into_iter().chain([&body[..]])
    {
        // With their lengths, so that no byte can move from one to the next.
        digest.update(&(text.len() as u64).to_le_bytes());
        digest.update(text);
    }
    for number in [receipt.0, *at_ms, *received_at_ms, i64::from(*replay)] {
        digest.update(&number.to_le_bytes());
    }
    digest.finalize()
}
