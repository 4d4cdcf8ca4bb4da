//! JSON that never refuses what WAHA sends: odd texts are made storable, odd kinds read as absent.

use std::borrow::Cow;

use serde_json::Value;

/// Stands for a character that can't be stored: a lone surrogate or NUL.
const REPLACEMENT: &str = "\\ufffd";

/// Reads a body.
///
/// Node writes unpaired surrogates as `\udXXX`, which `serde_json` refuses, and text may hold
/// `\u0000`, which PostgreSQL refuses: both become U+FFFD. Invalid UTF-8 does, too.
pub fn parse(body: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&storable(String::from_utf8_lossy(body)))
}

/// Replaces the escapes that can't be stored.
fn storable(text: Cow<'_, str>) -> Cow<'_, str> {
    if !may_hold_odd_escape(text.as_bytes()) {
        return text;
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('\\') {
        clean.push_str(&rest[..at]);
        let length = push_escape(&mut clean, &rest[at..]);
        rest = &rest[at + length..];
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// A cheap look: `\u0000` or `\ud…` somewhere.
fn may_hold_odd_escape(bytes: &[u8]) -> bool {
    bytes
        .windows(4)
        .any(|four| four[0] == b'\\' && four[1] == b'u' && matches!(four[2], b'd' | b'D' | b'0'))
}

/// Copies the escape that `rest` starts with, mended if need be; returns how many bytes it had.
fn push_escape(clean: &mut String, rest: &str) -> usize {
    let unit = code_unit(rest);
    let length = match unit {
        Some(0xd800..=0xdbff) if is_low_surrogate(&rest[6..]) => 12,
        Some(0 | 0xd800..=0xdfff) => {
            clean.push_str(REPLACEMENT);
            return 6;
        }
        Some(_) => 6,
        // `\n`, `\\` and the like; a lone `\` at the end is left for the parser to refuse.
        None => rest.chars().take(2).map(char::len_utf8).sum(),
    };
    clean.push_str(&rest[..length]);
    length
}

fn is_low_surrogate(text: &str) -> bool {
    matches!(code_unit(text), Some(0xdc00..=0xdfff))
}

/// The code unit of a `\uXXXX` that a text starts with.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

/// A place in a body, which may not be there.
#[derive(Clone, Copy)]
pub struct Node<'a>(Option<&'a Value>);

impl<'a> From<&'a Value> for Node<'a> {
    fn from(value: &'a Value) -> Self {
        Self(Some(value))
    }
}

impl<'a> Node<'a> {
    /// The field of an object.
    #[must_use]
    pub fn at(self, field: &str) -> Self {
        Self(self.0.and_then(|value| value.get(field)).filter(|value| !value.is_null()))
    }

    /// The field of an object, by any of its names in different engines: the first that is there.
    #[must_use]
    pub fn at_any(self, fields: &[&str]) -> Self {
        fields.iter().map(|field| self.at(field)).find(|node| node.is_there()).unwrap_or(Self(None))
    }

    /// The field of an object, whatever the case of its name: engines write `rowId` and `rowID`.
    #[must_use]
    pub fn at_like(self, field: &str) -> Self {
        let exact = self.at(field);
        if exact.is_there() {
            return exact;
        }
        let mut fields = self.0.and_then(Value::as_object).into_iter().flatten();
        let found =
            fields.find(|(name, value)| name.eq_ignore_ascii_case(field) && !value.is_null());
        Self(found.map(|(_, value)| value))
    }

    /// A field of a field: names with dots between them, in any case.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        path.split('.').fold(self, Self::at_like)
    }

    /// The first item of a list; anything else as it is.
    #[must_use]
    pub fn first(self) -> Self {
        match self.0 {
            Some(Value::Array(items)) => Self(items.first()),
            other => Self(other),
        }
    }

    /// Whether there is anything but null.
    pub fn is_there(self) -> bool {
        self.0.is_some()
    }

    /// The value itself.
    pub fn value(self) -> Option<&'a Value> {
        self.0
    }

    /// Text that is not empty. Numbers and booleans are told as text.
    pub fn text(self) -> Option<String> {
        match self.0? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
        .filter(|text| !text.is_empty())
    }

    /// Text without a copy, if it is text.
    pub fn str(self) -> Option<&'a str> {
        self.0?.as_str().filter(|text| !text.is_empty())
    }

    /// A whole number, also when written as text, fraction or in two halves (`{low, high}`).
    pub fn int(self) -> Option<i64> {
        match self.0? {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            Value::Object(_) => halves(self.at("low").int()?, self.at("high").int()?),
            Value::Null | Value::Bool(_) | Value::Array(_) => None,
        }
    }

    /// A truth, also when written as text.
    pub fn flag(self) -> Option<bool> {
        match self.0? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The items of a list; none when it is no list.
    pub fn items(self) -> impl DoubleEndedIterator<Item = Node<'a>> {
        self.0.and_then(Value::as_array).into_iter().flatten().map(Node::from)
    }

    /// Whether it is a list, be it empty.
    pub fn is_list(self) -> bool {
        self.0.is_some_and(Value::is_array)
    }

    /// The names of an object's fields.
    pub fn fields(self) -> impl Iterator<Item = &'a String> {
        self.0.and_then(Value::as_object).into_iter().flat_map(|object| object.keys())
    }

    /// JSON text of whatever is there.
    pub fn to_json(self) -> Option<String> {
        self.0.map(Value::to_string)
    }
}

/// A 64-bit number as protobuf libraries write it.
fn halves(low: i64, high: i64) -> Option<i64> {
    Some(high.checked_mul(1 << 32)? | (low & 0xffff_ffff))
}

/// The whole part of a number, if it fits.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    (number.abs() < 9e18).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> String {
        Node::from(&parse(body.as_bytes()).unwrap()).at("t").text().unwrap()
    }

    #[test]
    fn odd_escapes_become_storable() {
        assert_eq!(text(r#"{"t":"a\u0000b"}"#), "a\u{fffd}b");
        assert_eq!(text(r#"{"t":"a\ud83d"}"#), "a\u{fffd}");
        assert_eq!(text(r#"{"t":"\ude00\ud83dx"}"#), "\u{fffd}\u{fffd}x");
        assert_eq!(text(r#"{"t":"\ud83d\ude00"}"#), "😀");
        assert_eq!(text(r#"{"t":"\\ud83d \\u0000 \n\u00e9"}"#), "\\ud83d \\u0000 \né");
    }

    #[test]
    fn invalid_utf8_is_replaced() {
        let body = parse(b"{\"t\":\"a\xffb\"}").unwrap();
        assert_eq!(Node::from(&body).at("t").str(), Some("a\u{fffd}b"));
    }

    #[test]
    fn odd_kinds_read_as_far_as_they_go() {
        let body = parse(br#"{"n":"12","t":7,"f":1.9,"l":{},"b":"true","e":""}"#).unwrap();
        let node = Node::from(&body);
        assert_eq!((node.at("n").int(), node.at("f").int()), (Some(12), Some(1)));
        assert_eq!(node.at("t").text().as_deref(), Some("7"));
        assert_eq!((node.at("l").text(), node.at("e").text()), (None, None));
        assert_eq!((node.at("b").flag(), node.at("x").at("y").flag()), (Some(true), None));
    }
}
