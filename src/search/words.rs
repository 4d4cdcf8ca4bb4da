//! The words that a message is found by.

use std::collections::BTreeSet;

use super::fold::fold;
use super::pieces::{Piece, pieces};

/// Characters of a text that are looked at: WhatsApp's own limit.
pub const CONTENT_CHARS_MAX: usize = 65_536;
/// Raised with each change of what a text is found by: the words of all messages are then made anew.
pub const WORDS_VERSION: i64 = 1;

/// Letters of a word that count.
const LETTERS_MAX: usize = 64;
/// Bytes of all words of a message: PostgreSQL takes no more than a megabyte.
const BYTES_MAX: usize = 700_000;

/// The words of a text, each once. A word is itself; a sign of a run stands together with the next one, so
/// that what begins with a part of a run finds it. The text's first [`CONTENT_CHARS_MAX`] characters count.
pub fn words_of(text: &str) -> BTreeSet<String> {
    let folded = fold(beginning(text, CONTENT_CHARS_MAX));
    let mut words = BTreeSet::new();
    let mut bytes = 0;
    for piece in pieces(&folded) {
        let parts: Vec<&str> = match piece {
            Piece::Word(word) => vec![counted(word)],
            Piece::Run(run) => pairs(run).collect(),
        };
        for part in parts {
            if bytes + part.len() < BYTES_MAX && words.insert(part.to_owned()) {
                bytes += part.len() + 1;
            }
        }
    }
    words
}

/// The letters of a word that count.
pub(super) fn counted(word: &str) -> &str {
    beginning(word, LETTERS_MAX)
}

/// Each sign of a run with the next one; the last one alone.
pub(super) fn pairs(run: &str) -> impl Iterator<Item = &str> {
    run.char_indices().map(|(at, _)| beginning(&run[at..], 2))
}

/// The first characters of a text.
pub(super) fn beginning(text: &str, chars_max: usize) -> &str {
    text.char_indices().nth(chars_max).map_or(text, |(end, _)| &text[..end])
}
