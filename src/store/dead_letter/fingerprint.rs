//! Groups dead letters by cause: same reason, event type and error, whatever numbers are in it.

use crate::webhook::hash_texts;

/// 16 hex digits that are the same for one cause.
pub(super) fn fingerprint(reason: &str, event_type: &str, error: &str) -> String {
    format!("{:016x}", hash_texts([reason, event_type, &without_numbers(error)]))
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
