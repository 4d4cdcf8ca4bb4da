//! All that commands print passes here, because tables hold what strangers wrote.
//!
//! Invariant: no control character but the end of a line and a tab, and nothing that turns the direction of
//! text around, breaks lines or hides, reaches a terminal as it was written. Clippy refuses `println!` in this
//! library. Bytes of a body go to files and pipes as they are.

use std::fmt::{Arguments, Display};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once nobody reads stdout any more, as behind `| head`.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

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
    let text = format!("{}\n", plain(&text.to_string()));
    let _ = noted(write(&mut io::stdout().lock(), &text));
}

/// Prints a line to stderr.
pub fn write_error_line(text: Arguments<'_>) {
    let text = format!("{}\n", plain(&text.to_string()));
    // Nobody is there to be told that nobody reads.
    let _ = write(&mut io::stderr().lock(), &text);
}

/// Prints a line of JSON to stdout, equal to what it was.
pub(super) fn json_line(json: &impl Display) {
    let json = format!("{}\n", escaped_json(&json.to_string()));
    let _ = noted(write(&mut io::stdout().lock(), &json));
}

/// Prints bytes to stdout as they are, unless it is a terminal.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        return noted(stdout.write_all(plain(&String::from_utf8_lossy(bytes)).as_bytes()));
    }
    noted(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Whether anybody may still read stdout: who goes on printing ends early if not.
pub(super) fn is_read() -> bool {
    !IS_CLOSED.load(Ordering::Relaxed)
}

/// Whether an error says only that nobody reads stdout any more, which is no failure.
pub fn is_unread(error: &anyhow::Error) -> bool {
    let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    !is_read() && causes.any(is_broken)
}

/// Remembers that nobody reads stdout.
fn noted<T>(written: io::Result<T>) -> io::Result<T> {
    if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        IS_CLOSED.store(true, Ordering::Relaxed);
    }
    written
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
        noted(io::stdout().lock().write_all(escaped_json(&text).as_bytes()))?;
        self.begun = rest;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(io::stdout().lock().flush())
    }
}

fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes()).and_then(|()| to.flush())
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
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
            character => escaped.push(character),
        }
    }
    escaped
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
    fn json_stays_equal_and_commands_nothing() {
        let value = serde_json::json!({ "a\u{9b}": "b\u{1b}c\u{202e}d\u{7f}é\u{2028}\u{e0041}\n" });
        let json = escaped_json(&format!("{value:#}"));
        assert!(!json.chars().any(|it| it != '\n' && commands(it)), "{json}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap(), value);
    }
}
