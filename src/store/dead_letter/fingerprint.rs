//! Groups dead letters by cause: same reason, event type and error, whatever numbers are in it.

use sha2::{Digest, Sha256};

/// 16 hex digits that are the same for one cause.
pub(super) fn fingerprint(reason: &str, event_type: &str, error: &str) -> String {
    let mut sha = Sha256::new();
    for part in [reason, event_type, &without_numbers(error)] {
        sha.update(part.as_bytes());
        sha.update([0]);
    }
    hex::encode(&sha.finalize()[..8])
}

/// Each run of digits becomes `#`.
fn without_numbers(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '0'..='9' if normal.ends_with('#') => {}
            '0'..='9' => normal.push('#'),
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_make_no_difference_and_causes_do() {
        let at = |error: &str| fingerprint("malformed", "message", error);
        assert_eq!(at("line 1 column 20"), at("line 3 column 4711"));
        assert_ne!(at("line 1"), at("page 1"));
        assert_ne!(at("x"), fingerprint("malformed", "message.any", "x"));
        assert_eq!(at("x").len(), 16);
    }
}
