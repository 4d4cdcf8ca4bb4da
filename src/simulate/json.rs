//! Writes JSON in the order the keys are given. Used by every file that shapes a payload.
//!
//! `serde_json`'s own map sorts its keys, WAHA does not; and a body that is written straight into
//! a string costs a tenth of one that is first built as a tree. Invariant: the bytes
//! depend on nothing but the values. By hand also because WAHA's lone surrogates fit no Rust
//! string, from which `serde_json` writes.

use std::fmt::Write as _;

const TAKES_ALL: &str = "a string takes all text";

/// Stands for a lone UTF-16 surrogate, which a Rust string cannot hold: written as `\ud83d`, the
/// way Node writes it.
pub(crate) const LONE_SURROGATE: char = '\u{E000}';

/// A JSON object under construction; complete at any time.
#[derive(Clone, Debug)]
pub(crate) struct Obj(String);

/// `null` as a value of its own.
#[derive(Clone, Copy)]
pub(crate) struct Null;

/// What can stand to the right of a key.
pub(crate) trait Wire {
    fn write(&self, out: &mut String);
}

/// An object literal: `obj! { "id": id, "media": Null }`.
macro_rules! obj {
    ($($key:literal : $value:expr),* $(,)?) => {
        $crate::simulate::json::Obj::new()$(.with($key, $value))*
    };
}
pub(crate) use obj;

impl Obj {
    pub(crate) fn new() -> Self {
        let mut text = String::with_capacity(256);
        text.push('{');
        Self(text)
    }

    /// Keys hold nothing that needs escaping: they are all ours.
    pub(crate) fn with(mut self, key: &str, value: impl Wire) -> Self {
        self.separate();
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
        value.write(&mut self.0);
        self
    }

    /// Leaves the key out when there is no value, as `JSON.stringify` does with `undefined`.
    pub(crate) fn with_some(self, key: &str, value: Option<impl Wire>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Appends the keys of `other`.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        if other.0.len() > 1 {
            self.separate();
            self.0.push_str(&other.0[1..]);
        }
        self
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.0.push('}');
        self.0.into_bytes()
    }

    fn separate(&mut self) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
    }
}

impl Wire for Obj {
    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
        out.push('}');
    }
}

impl Wire for Null {
    fn write(&self, out: &mut String) {
        out.push_str("null");
    }
}

impl Wire for str {
    fn write(&self, out: &mut String) {
        write_text(self, out);
    }
}

impl Wire for String {
    fn write(&self, out: &mut String) {
        write_text(self, out);
    }
}

impl Wire for bool {
    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

/// What came as JSON; its keys are in their own order.
impl Wire for serde_json::Value {
    fn write(&self, out: &mut String) {
        write!(out, "{self}").expect(TAKES_ALL);
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => Null.write(out),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut String) {
        out.push('[');
        for (position, value) in self.iter().enumerate() {
            if position > 0 {
                out.push(',');
            }
            value.write(out);
        }
        out.push(']');
    }
}

impl<T: Wire + ?Sized> Wire for &T {
    fn write(&self, out: &mut String) {
        (*self).write(out);
    }
}

/// Numbers as Rust prints them, which is JSON for all finite ones.
macro_rules! wire_numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn write(&self, out: &mut String) {
                write!(out, "{self}").expect(TAKES_ALL);
            }
        }
    )*};
}
wire_numbers!(u8, u64, i32, i64, f64);

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\' && byte < 0x80) {
        out.push_str(text);
    } else {
        text.chars().for_each(|character| write_character(character, out));
    }
    out.push('"');
}

fn write_character(character: char, out: &mut String) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        LONE_SURROGATE => out.push_str("\\ud83d"),
        control if control < ' ' => {
            write!(out, "\\u{:04x}", u32::from(control)).expect(TAKES_ALL);
        }
        other => out.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::{LONE_SURROGATE, Null, Obj};

    fn text(object: Obj) -> String {
        String::from_utf8(object.into_bytes()).unwrap()
    }

    #[test]
    fn keys_keep_their_order_and_absent_ones_stay_out() {
        let object = obj! { "z": 1_u64, "a": vec!["x", "y"], "n": Null }
            .with_some("gone", None::<&str>)
            .and(&obj! { "in": obj! { "deep": true } })
            .and(&Obj::new());
        assert_eq!(text(object), r#"{"z":1,"a":["x","y"],"n":null,"in":{"deep":true}}"#);
    }

    #[test]
    fn odd_characters_are_escaped_like_node_does() {
        let odd = format!("\"\\\n\0é{LONE_SURROGATE}");
        assert_eq!(text(obj! { "t": odd }), r#"{"t":"\"\\\n\u0000é\ud83d"}"#);
    }
}
