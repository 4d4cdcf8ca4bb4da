//! The escaper of all templates: what strangers wrote is text, and all of it can be seen.
//!
//! Invariant: it makes text safe between tags and within quoted attributes, so templates quote every
//! attribute. Only what [`exact`] makes is as it was, for fields that are sent back.

use std::fmt::{self, Write};

use askama::filters::{Escaper, Html, Safe};

use crate::visible::named;

/// Escapes HTML, and names what hides.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::admin::console) struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, dest: W, string: &str) -> fmt::Result {
        Html.write_escaped_str(dest, &named(string))
    }
}

/// Escaped and otherwise as it was. A carriage return would be read as the end of a line.
pub(super) fn exact(text: &str) -> Safe<String> {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    // Nothing fails to be written into a string.
    let _ = Html.write_escaped_str(&mut escaped, text);
    Safe(escaped.replace('\r', "&#13;"))
}

/// Our own words about the API, with what stands between backticks as code.
pub(super) fn with_code(text: &str) -> Safe<String> {
    let mut shown = String::with_capacity(text.len());
    for (index, part) in text.split('`').enumerate() {
        let is_code = index % 2 == 1;
        shown.push_str(if is_code { "<code>" } else { "" });
        let _ = Visible.write_escaped_str(&mut shown, part);
        shown.push_str(if is_code { "</code>" } else { "" });
    }
    Safe(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut shown = String::new();
        Visible.write_escaped_str(&mut shown, text).unwrap();
        shown
    }

    #[test]
    fn what_strangers_wrote_is_text() {
        let hostile = "<script>\"'&\u{202e}gpj.exe\u{0}";
        let escaped = "&#60;script&#62;&#34;&#39;&#38;‹U+202E›gpj.exe‹U+0000›";
        assert_eq!(shown(hostile), escaped);
        assert_eq!(exact("<a\r\n\u{202e}").0, "&#60;a&#13;\n\u{202e}");
        let words = with_code("`a<b` or <c>, `d");
        assert_eq!(words.0, "<code>a&#60;b</code> or &#60;c&#62;, <code>d</code>");
    }
}
