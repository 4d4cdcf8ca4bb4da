//! Identity and times that every database can store, whoever made the message they came in. Pure.
//!
//! Called wherever a [`Webhook`](super::Webhook) is built from its parts, so that nothing behind it
//! meets a key that a table refuses. Invariants: what the door verified comes out unchanged; two keys
//! that differ stay two; mending twice is mending once; body and headers stay whole.

use sha2::{Digest, Sha256};

use super::WebhookParts;
use super::envelope::is_key_text;
use super::verify::hash_id;

/// Longest name of a source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 64;
/// Longest session name; WAHA allows 54 characters (its `src/structures/sessions.dto.ts`).
pub const SESSION_BYTES_MAX: usize = 128;
/// Longest event type; WAHA's longest today has 33 characters.
pub const EVENT_TYPE_BYTES_MAX: usize = 64;
/// Longest webhook id that is kept as told; a longer one is replaced by its hash.
pub const ID_BYTES_MAX: usize = 128;
/// 9999-12-31T23:59:59.999Z, the last moment of MySQL's DATETIME.
pub const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// Hex digits of a hash that keep two cut texts apart.
const HASH_DIGITS: usize = 16;

/// The same webhook with nothing in its identity and times that a database refuses, or takes for
/// something else.
pub(super) fn storable(mut parts: WebhookParts) -> WebhookParts {
    let key = &mut parts.key;
    mend(&mut key.source, SOURCE_BYTES_MAX);
    mend(&mut key.session, SESSION_BYTES_MAX);
    mend(&mut key.event_type, EVENT_TYPE_BYTES_MAX);
    if key.id.is_empty() {
        key.id = hash_id("body", &parts.body);
    } else if !is_key_text(&key.id, ID_BYTES_MAX) {
        key.id = hash_id("id", key.id.as_bytes());
    }
    parts.at_ms = storable_ms(parts.at_ms);
    parts.received_at_ms = storable_ms(parts.received_at_ms);
    parts
}

/// The nearest time that every database can store, ms since 1970.
pub fn storable_ms(ms: i64) -> i64 {
    ms.clamp(0, TIME_MS_MAX)
}

/// Replaces a text that can't stand in a key by what can be read of it and a hash of all of it. An
/// empty one says that nothing was told, and stays.
fn mend(text: &mut String, bytes_max: usize) {
    if text.is_empty() || is_key_text(text, bytes_max) {
        return;
    }
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    let legible: String = text.trim().chars().map(printable).collect();
    let legible = cut(&legible, bytes_max - HASH_DIGITS - 1);
    *text = format!("{legible}~{}", &hash[..HASH_DIGITS]);
}

/// A text of at most so many bytes, cut at a character's boundary.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// U+FFFD in place of a control character: PostgreSQL refuses NUL, and none of them can be read.
pub fn printable(character: char) -> char {
    if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::webhook::{Headers, Receipt, WebhookKey};

    fn parts(texts: [String; 4], times: [i64; 2]) -> WebhookParts {
        let [source, session, event_type, id] = texts;
        WebhookParts {
            key: WebhookKey { source, session, event_type, id },
            receipt: Receipt(1),
            at_ms: times[0],
            received_at_ms: times[1],
            replay: false,
            headers: Headers::new(),
            body: Bytes::from_static(b"{}"),
        }
    }

    fn key(texts: [&str; 4]) -> [String; 4] {
        let WebhookKey { source, session, event_type, id } =
            storable(parts(texts.map(str::to_owned), [0, 0])).key;
        [source, session, event_type, id]
    }

    #[test]
    fn what_the_door_verified_is_unchanged() {
        let told = ["default", "shop", "message", "evt_1"];
        assert_eq!(key(told), told);
        let malformed = ["default", "", "", "body_1"];
        assert_eq!(key(malformed), malformed);
    }

    #[test]
    fn what_a_database_refuses_is_replaced_and_stays_apart() {
        let [source, session, event_type, id] =
            key(["a\0b", " shop ", &"é".repeat(3000), &"x".repeat(5000)]);
        assert!(source.starts_with("a\u{fffd}b~"), "{source}");
        assert!(session.starts_with("shop~"), "{session}");
        assert!(event_type.starts_with("éé") && event_type.len() <= 64, "{event_type}");
        assert!(id.starts_with("id_") && id.len() == 35, "{id}");
        assert_ne!(key(["a\0b", "", "", "1"]), key(["a\u{1}b", "", "", "1"]));
        assert!(key(["s", "", "", ""])[3].starts_with("body_"));
    }

    #[test]
    fn times_are_of_every_database() {
        let mended = storable(parts([const { String::new() }; 4], [i64::MIN, i64::MAX]));
        assert_eq!((mended.at_ms, mended.received_at_ms), (0, TIME_MS_MAX));
    }

    proptest! {
        #[test]
        fn any_identity_becomes_one_that_can_be_stored_and_stays_it(
            texts in proptest::array::uniform4(".{0,200}"),
            times in proptest::array::uniform2(any::<i64>()),
        ) {
            let once = storable(parts(texts, times));
            let WebhookKey { source, session, event_type, id } = &once.key;
            let fits = |text: &str, max| text.is_empty() || is_key_text(text, max);
            prop_assert!(fits(source, SOURCE_BYTES_MAX) && fits(session, SESSION_BYTES_MAX));
            prop_assert!(fits(event_type, EVENT_TYPE_BYTES_MAX) && is_key_text(id, ID_BYTES_MAX));
            prop_assert_eq!(&storable(once.clone()), &once);
        }
    }
}
