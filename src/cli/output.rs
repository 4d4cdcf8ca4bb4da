//! All that commands print passes here, because tables hold what strangers wrote.
//!
//! Invariant: no control character but the end of a line and a tab, and nothing that turns the
//! direction of text around, reaches a terminal as it was written. Clippy refuses `println!` in this
//! library. Bytes of a body go to files and pipes as they are.

use std::fmt::{Arguments, Display};
use std::io::{self, IsTerminal, Write};

/// Prints a line of text for people.
macro_rules! outln {
    () => { $crate::cli::output::write_line(format_args!("")) };
    ($($text:tt)*) => { $crate::cli::output::write_line(format_args!($($text)*)) };
}

/// Prints a line beside the data: to stderr.
macro_rules! errln {
    ($($text:tt)*) => { $crate::cli::output::write_error_line(format_args!($($text)*)) };
}

pub(crate) use {errln, outln};

/// Prints a line to stdout.
pub fn write_line(text: Arguments<'_>) {
    write(&mut io::stdout().lock(), &format!("{}\n", plain(&text.to_string())));
}

/// Prints a line to stderr.
pub fn write_error_line(text: Arguments<'_>) {
    write(&mut io::stderr().lock(), &format!("{}\n", plain(&text.to_string())));
}

/// Prints a line of JSON to stdout, equal to what it was.
pub(super) fn json_line(json: &impl Display) {
    write(&mut io::stdout().lock(), &format!("{}\n", escaped_json(&json.to_string())));
}

/// Prints bytes to stdout as they are, unless it is a terminal.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        return stdout.write_all(plain(&String::from_utf8_lossy(bytes)).as_bytes());
    }
    stdout.write_all(bytes)
}

/// Stdout for lines of JSON that a library writes: equal to what it wrote, and harmless.
#[derive(Default)]
pub(super) struct Harmless {
    /// The beginning of a character whose rest comes with the next part.
    begun: Vec<u8>,
}

impl Write for Harmless {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(part);
        let whole = match std::str::from_utf8(&self.begun) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let rest = self.begun.split_off(whole);
        let text = String::from_utf8_lossy(&self.begun);
        io::stdout().lock().write_all(escaped_json(&text).as_bytes())?;
        self.begun = rest;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

/// Nobody is there to be told that nobody reads.
fn write(to: &mut impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

/// A text of strangers, harmless on a terminal.
pub(super) fn plain(text: &str) -> String {
    let harmless = |character: char| match character {
        '\n' | '\t' => character,
        character if commands(character) => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    text.chars().map(harmless).collect()
}

/// The same JSON with an escape for every character that commands a terminal; such characters stand
/// within texts only.
pub(super) fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | '\t' => escaped.push(character),
            character if commands(character) => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// Control characters (C0, DEL, C1), and the marks, embeddings, overrides and isolates of Unicode's
/// bidirectional algorithm (UAX 9), with which a text can show as another one.
fn commands(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
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
    fn json_stays_equal_and_commands_nothing() {
        let value = serde_json::json!({ "a\u{9b}": "b\u{1b}c\u{202e}d\u{7f}é\n" });
        let json = escaped_json(&format!("{value:#}"));
        assert!(!json.chars().any(|it| it != '\n' && commands(it)), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
    }
}
