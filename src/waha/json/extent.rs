//! How much a JSON text would build: told by looking at its bytes, before anything is built. Pure.
//!
//! Called by `json`. Somebody with a key can sign 8 MB of `[],`, from which a tree of nearly three
//! million values of 32 bytes and more would grow.

/// Most values in a body. The largest that WAHA sends tell of groups with some thousand members, in
/// some ten values each. A tree of as many takes 30 MB at the very most.
pub const VALUES_MAX: usize = 200_000;

/// Deepest nesting: that of `serde_json`, which would go no deeper either.
pub const DEPTH_MAX: usize = 127;

/// The shortest value with what parts it from the next: `0,`.
const VALUE_BYTES_MIN: usize = 2;

/// A text of so many bytes can't hold too many values.
const SMALL_BYTES_MAX: usize = VALUES_MAX * VALUE_BYTES_MIN;

/// A text would build more than is good for the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the body has more than {VALUES_MAX} values or is nested deeper than {DEPTH_MAX}, more than is read"
)]
pub struct TooComplex;

/// Whether a text that can hold too many values does, or nests too deep. Small ones are not looked at:
/// their values are few, and the parser ends at the depth.
pub(super) fn check_large(text: &str) -> Result<(), TooComplex> {
    if text.len() <= SMALL_BYTES_MAX { Ok(()) } else { check(text) }
}

/// Whether a text has too many values or nests too deep; it need not be JSON.
pub(super) fn check(text: &str) -> Result<(), TooComplex> {
    let (mut values, mut depth) = (1_usize, 0_usize);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_text(&mut bytes),
            b',' => values += 1,
            b'[' | b'{' => {
                values += 1;
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if values > VALUES_MAX || depth > DEPTH_MAX {
            return Err(TooComplex);
        }
    }
    Ok(())
}

/// Goes behind the end of a text that has begun.
fn skip_text(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_texts() {
        let list = |value: &str, count| format!("[{}]", vec![value; count].join(","));
        assert_eq!(check(&list("0", VALUES_MAX - 2)), Ok(()));
        assert_eq!(check(&list("0", VALUES_MAX)), Err(TooComplex));
        assert_eq!(check(&list("[]", VALUES_MAX / 2)), Err(TooComplex));
        let text = r#"{"a":"[,{\",\\"}"#;
        assert_eq!(check(&format!("{text}{}", ",".repeat(10))), Ok(()));
        assert_eq!(check(&format!("\"{}\"", ",[".repeat(VALUES_MAX))), Ok(()));
    }

    #[test]
    fn depth_ends_where_the_parsers_does() {
        for (depth, is_read) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(check(&text).is_ok(), is_read);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), is_read);
        }
    }

    #[test]
    fn no_small_text_holds_too_many_values() {
        let list = format!("[{}0]", "0,".repeat(SMALL_BYTES_MAX / 2 - 2));
        assert!(list.len() <= SMALL_BYTES_MAX);
        assert_eq!(check(&list), Ok(()));
    }
}
