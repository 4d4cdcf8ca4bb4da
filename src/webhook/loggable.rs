//! What of a webhook's id may be seen in logs and traces. Pure.
//!
//! Called by `telemetry` and `trace`. Senders choose ids, and what older WAHAs or other senders put
//! there may hold phone numbers, as message ids do.

use std::borrow::Cow;

use super::WebhookKey;
use super::verify::hash_id;

impl WebhookKey {
    /// The id if it has a shape that WAHA or we give (see `X-Webhook-Request-Id` and `evt_` in WAHA),
    /// else its hash.
    pub fn loggable_id(&self) -> Cow<'_, str> {
        if is_made_by_machine(&self.id) {
            Cow::Borrowed(&self.id)
        } else {
            Cow::Owned(hash_id("id", self.id.as_bytes()))
        }
    }
}

/// `evt_` and a ULID; our own hashes; a UUID without dashes; a bare ULID; `uniqid`, which is short
/// base 36. None of them is digits alone.
fn is_made_by_machine(id: &str) -> bool {
    let (prefix, rest) = id.split_once('_').unwrap_or(("", id));
    let has_shape = match prefix {
        "evt" => rest.len() == 26,
        "body" | "id" => rest.len() == 32,
        "" => matches!(rest.len(), 26 | 32) || (10..=18).contains(&rest.len()),
        _ => false,
    };
    has_shape
        && rest.chars().all(|c| c.is_ascii_alphanumeric())
        && rest.chars().filter(char::is_ascii_alphabetic).count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(id: &str) -> String {
        let key = WebhookKey {
            source: "default".to_owned(),
            session: "shop".to_owned(),
            event_type: "message".to_owned(),
            id: id.to_owned(),
        };
        key.loggable_id().into_owned()
    }

    #[test]
    fn ids_that_machines_make_are_logged() {
        for id in [
            "evt_01jkzc5tq4r8w0v2x9m3n7b6ds",
            "18a767mkh37y0h",
            "01JKZC5TQ4R8W0V2X9M3N7B6DS",
            "0f8fad5bd9cb469fa16570867728950e",
            "body_0f8fad5bd9cb469fa16570867728950e",
        ] {
            assert_eq!(logged(id), id);
        }
    }

    #[test]
    fn ids_that_may_hold_a_number_are_hashed() {
        for id in [
            "false_4915100000000@c.us_3EB0AAAA",
            "4915100000000",
            "evt_4915100000000",
            "evt_49151000000000000000000000",
            "true_123456789012345_lid",
        ] {
            let shown = logged(id);
            assert!(shown.starts_with("id_") && !id.contains(&shown[3..]), "{shown}");
        }
    }
}
