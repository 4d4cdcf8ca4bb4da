//! JSON that never refuses what WAHA sends: odd texts are made storable, odd kinds read as absent. Only
//! what would build far more than any WAHA sends is refused (`extent`).

mod extent;

use std::borrow::Cow;
use std::collections::HashSet;

use serde::de::IgnoredAny;
use serde_json_borrow::ObjectAsVec;
pub use serde_json_borrow::Value;

pub use extent::{DEPTH_MAX, TooComplex, VALUES_MAX};

/// Stands for a character that can't be stored: a lone surrogate or NUL.
const REPLACEMENT: &str = "\\ufffd";

/// The text of a body, all of which can be stored.
///
/// Node writes unpaired surrogates as `\udXXX`, which `serde_json` refuses, and text may hold
/// `\u0000`, which PostgreSQL refuses: both become U+FFFD. Invalid UTF-8 does, too.
pub fn storable(body: &[u8]) -> Cow<'_, str> {
    // Nearly all is sound, and found to be much faster by this than by what can mend it.
    let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::from);
    if may_hold_odd_escape(&text) { Cow::Owned(mended(&text)) } else { text }
}

/// Why a text was not read.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is no JSON.
    #[error("the body is not JSON that can be read: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It would build too much.
    #[error(transparent)]
    TooComplex(#[from] TooComplex),
}

/// Reads a storable text. Texts without escapes are not copied.
pub fn parse(text: &str) -> Result<Value<'_>, JsonError> {
    extent::check_large(text)?;
    serde_json::from_str(text).map_err(|error| match extent::check(text) {
        Ok(()) => JsonError::Syntax(error),
        Err(too_complex) => JsonError::TooComplex(too_complex),
    })
}

/// Whether a body is JSON. Builds nothing, so its extent does not matter.
pub fn check_syntax(body: &[u8]) -> Result<(), JsonError> {
    serde_json::from_slice::<IgnoredAny>(body)?;
    Ok(())
}

/// Replaces the escapes that can't be stored.
fn mended(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        clean.push_str(&rest[..at]);
        let length = push_escape(&mut clean, &rest[at..]);
        rest = &rest[at + length..];
    }
    clean.push_str(rest);
    clean
}

/// A cheap look: `\u0000` or `\ud…` somewhere.
fn may_hold_odd_escape(text: &str) -> bool {
    ["\\ud", "\\uD", "\\u0"].iter().any(|start| text.contains(start))
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
#[derive(Clone, Copy, Default)]
pub struct Node<'a>(Option<&'a Value<'a>>);

impl<'a> From<&'a Value<'a>> for Node<'a> {
    fn from(value: &'a Value<'a>) -> Self {
        Self(Some(value))
    }
}

impl<'a> Node<'a> {
    /// The field of an object; the last one, if it has several of that name, as in JavaScript.
    #[must_use]
    pub fn at(self, field: &str) -> Self {
        let named = self.members().filter(|(name, _)| *name == field).last();
        Self(named.map(|(_, value)| value).filter(|value| !value.is_null()))
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
        let found = self
            .members()
            .find(|(name, value)| name.eq_ignore_ascii_case(field) && !value.is_null());
        Self(found.map(|(_, value)| value))
    }

    /// A field of a field: names with dots between them, in any case.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        path.split('.').fold(self, Self::at_like)
    }

    /// The same; where the protocol has alternatives, Go writes one more level, named with a capital:
    /// it is looked through.
    #[must_use]
    pub fn oneof_path(self, path: &str) -> Self {
        path.split('.').fold(self, Self::at_oneof)
    }

    fn at_oneof(self, field: &str) -> Self {
        let own = self.at_like(field);
        if own.is_there() {
            return own;
        }
        let levels = self.fields().filter(|name| name.starts_with(|it: char| it.is_uppercase()));
        let found = levels.map(|level| self.at(level).at_like(field)).find(|it| it.is_there());
        found.unwrap_or(Self(None))
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
    pub fn value(self) -> Option<&'a Value<'a>> {
        self.0
    }

    /// Text that is not empty. Numbers and booleans are told as text.
    pub fn text(self) -> Option<String> {
        match self.0? {
            Value::Str(text) => Some(text.clone().into_owned()),
            number @ Value::Number(_) => Some(serde_json::Value::from(number).to_string()),
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
            Value::Str(text) => text.trim().parse().ok(),
            Value::Object(_) => halves(self.at("low").int()?, self.at("high").int()?),
            Value::Null | Value::Bool(_) | Value::Array(_) => None,
        }
    }

    /// A truth, also when written as text.
    pub fn flag(self) -> Option<bool> {
        match self.0? {
            Value::Bool(flag) => Some(*flag),
            Value::Str(text) => text.parse().ok(),
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
    pub fn fields(self) -> impl Iterator<Item = &'a str> {
        self.members().map(|(name, _)| name)
    }

    /// JSON text of whatever is there, fields in the order of their names.
    pub fn to_json(self) -> Option<String> {
        self.0.map(|value| serde_json::Value::from(value).to_string())
    }

    /// A name that an object in it, or itself, has twice: what is built of it lacks a value.
    pub fn repeated_name(self) -> Option<&'a str> {
        let mut seen = HashSet::new();
        let here = self.fields().find(|name| !seen.insert(*name));
        here.or_else(|| self.members().find_map(|(_, value)| Node::from(value).repeated_name()))
            .or_else(|| self.items().find_map(Node::repeated_name))
    }

    fn members(self) -> impl Iterator<Item = (&'a str, &'a Value<'a>)> {
        self.0.and_then(Value::as_object).into_iter().flat_map(ObjectAsVec::iter)
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
        Node::from(&parse(&storable(body.as_bytes())).unwrap()).at("t").text().unwrap()
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
        let text = storable(b"{\"t\":\"a\xffb\"}");
        let body = parse(&text).unwrap();
        assert_eq!(Node::from(&body).at("t").str(), Some("a\u{fffd}b"));
    }

    #[test]
    fn of_fields_of_one_name_the_last_counts() {
        let body = parse(r#"{"a":1,"b":2e20,"a":2}"#).unwrap();
        let node = Node::from(&body);
        assert_eq!((node.at("a").int(), node.at("b").text().as_deref()), (Some(2), Some("2e+20")));
        assert_eq!(node.to_json().as_deref(), Some(r#"{"a":2,"b":2e+20}"#));
    }

    #[test]
    fn a_name_that_is_there_twice_is_found_at_any_depth() {
        let repeated = |body: &str| Node::from(&parse(body).unwrap()).repeated_name().is_some();
        assert!(repeated(r#"{"a":1,"b":2,"a":1}"#) && repeated(r#"[0,{"a":[{"b":1,"b":2}]}]"#));
        assert!(!repeated(r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#));
    }

    #[test]
    fn levels_of_alternatives_are_looked_through() {
        let body = parse(
            r#"{"HydratedButton":{"UrlButton":{"displayText":"Go"}},"Title":null,"title":"T"}"#,
        );
        let body = body.unwrap();
        let node = Node::from(&body);
        assert_eq!(node.oneof_path("urlButton.displayText").str(), Some("Go"));
        assert_eq!(node.oneof_path("title").str(), Some("T"));
        assert!(!node.path("urlButton").is_there());
    }

    #[test]
    fn odd_kinds_read_as_far_as_they_go() {
        let body = parse(r#"{"n":"12","t":7,"f":1.9,"l":{},"b":"true","e":""}"#).unwrap();
        let node = Node::from(&body);
        assert_eq!((node.at("n").int(), node.at("f").int()), (Some(12), Some(1)));
        assert_eq!(node.at("t").text().as_deref(), Some("7"));
        assert_eq!((node.at("l").text(), node.at("e").text()), (None, None));
        assert_eq!((node.at("b").flag(), node.at("x").at("y").flag()), (Some(true), None));
    }
}
