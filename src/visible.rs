//! What strangers wrote, harmless and visible: for terminals, for JSON, and for pages.
//!
//! Called by `cli::output`, through which all passes that commands print, by `admin::console`, and by
//! `operations`. Invariant: no control character but the end of a line and a tab, and nothing that turns the
//! direction of text around, breaks lines or hides, is left as it was written.

use std::borrow::Cow;

/// A text of strangers, harmless on a terminal: what commands it is replaced.
pub fn plain(text: &str) -> String {
    let harmless = |character: char| match character {
        '\n' | '\t' => character,
        character if commands(character) => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    text.chars().map(harmless).collect()
}

/// The same JSON with an escape for every character that commands a terminal; such characters stand
/// within texts only.
pub fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | '\t' => escaped.push(character),
            character if commands(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// A text of strangers with a name such as `‹U+202E›` for each character that is not to be seen; for pages.
pub fn named(text: &str) -> Cow<'_, str> {
    let is_harmless = |it: char| matches!(it, '\n' | '\t') || !commands(it);
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut named = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_harmless(character) {
            named.push(character);
        } else {
            named.push_str(&format!("‹U+{:04X}›", u32::from(character)));
        }
    }
    Cow::Owned(named)
}

/// Control characters (C0, DEL, C1); the marks, embeddings, overrides and isolates of Unicode's
/// bidirectional algorithm (UAX 9), with which a text can show as another one; line and paragraph separators;
/// and what takes no room, so that texts that look alike can differ or hold more than they show. The joiners
/// U+200C and U+200D stay: Persian and emoji need them.
fn commands(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_not_command_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{9b}c\nd\té"), "a\u{fffd}[2Jb\u{fffd}c\nd\té");
        assert_eq!(
            plain("\u{202e}gpj.exe\u{2066}\u{200f}\u{61c}"),
            "\u{fffd}gpj.exe\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn a_text_can_neither_break_a_line_nor_hide() {
        let hidden = "\u{ad}\u{2028}\u{2029}\u{200b}\u{2060}\u{feff}\u{fffb}\u{e0041}";
        assert_eq!(plain(&format!("a{hidden}b")), format!("a{}b", "\u{fffd}".repeat(8)));
        let persian_and_emoji = "می\u{200c}خواهم 👩\u{200d}👩\u{200d}👧";
        assert_eq!(plain(persian_and_emoji), persian_and_emoji);
    }

    #[test]
    fn what_hides_has_a_name() {
        assert_eq!(named("a\u{202e}b\u{1b}\r\n"), "a‹U+202E›b‹U+001B›‹U+000D›\n");
        assert!(matches!(named("مرحبا é\t"), Cow::Borrowed("مرحبا é\t")));
    }

    #[test]
    fn json_stays_equal_and_commands_nothing() {
        let value = serde_json::json!({ "a\u{9b}": "b\u{1b}c\u{202e}d\u{7f}é\u{2028}\u{e0041}\n" });
        let json = escaped_json(&format!("{value:#}"));
        assert!(!json.chars().any(|it| it != '\n' && commands(it)), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
    }
}
