//! What somebody looks for. All of it is plain text: no operators, no wildcards.

use std::cmp::Reverse;

use super::fold::fold;
use super::pieces::{Piece, pieces};
use super::words::{CONTENT_CHARS_MAX, beginning, counted, pairs};

/// Characters of a query.
const CHARS_MAX: usize = 200;
/// Words that the database is asked for; the others are looked for in what it finds.
const ASKED_MAX: usize = 8;

/// What somebody looks for: messages with all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// Beginnings of words.
    words: Vec<String>,
    /// Parts of runs.
    runs: Vec<String>,
}

/// Why nothing can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchQueryError {
    /// Nearly every message would be found.
    #[error(
        "q is too short: it needs a word of two letters or digits, or a sign of Chinese or the like, or an \
         emoji; punctuation does not count"
    )]
    TooShort,
    /// Nobody looks for so much.
    #[error("q is too long: it may have {CHARS_MAX} characters; leave words out")]
    TooLong,
}

impl SearchQuery {
    /// Reads what somebody typed.
    pub fn parse(typed: &str) -> Result<Self, SearchQueryError> {
        if beginning(typed, CHARS_MAX).len() < typed.len() {
            return Err(SearchQueryError::TooLong);
        }
        let folded = fold(typed);
        let (mut words, mut runs) = (Vec::new(), Vec::new());
        for piece in pieces(&folded) {
            match piece {
                Piece::Word(word) => words.push(counted(word).to_owned()),
                Piece::Run(run) => runs.push(run.to_owned()),
            }
        }
        let query = Self { words, runs };
        if query.asked().is_empty() { Err(SearchQueryError::TooShort) } else { Ok(query) }
    }

    /// What the words of a message must begin with, each of these, the longest first. A single letter is left
    /// out: half of all messages have a word with it.
    pub fn asked(&self) -> Vec<&str> {
        let words = self.words.iter().map(String::as_str).filter(|it| it.chars().nth(1).is_some());
        let signs = self.runs.iter().flat_map(|run| of_run(run));
        let mut asked: Vec<&str> = words.chain(signs).collect();
        asked.sort_unstable_by_key(|it| (Reverse(it.len()), *it));
        asked.dedup();
        asked.truncate(ASKED_MAX);
        asked
    }

    /// Whether a text is found: some word of it begins with each word, and each run is in it.
    pub fn matches(&self, text: &str) -> bool {
        let folded = fold(beginning(text, CONTENT_CHARS_MAX));
        let all: Vec<Piece<'_>> = pieces(&folded).collect();
        let has_word = |word: &String| {
            all.iter().any(|it| matches!(it, Piece::Word(there) if there.starts_with(word)))
        };
        let has_run = |run: &String| {
            all.iter().any(|it| matches!(it, Piece::Run(there) if there.contains(run.as_str())))
        };
        self.words.iter().all(has_word) && self.runs.iter().all(has_run)
    }
}

/// A run's pairs; of a single sign that sign.
fn of_run(run: &str) -> impl Iterator<Item = &str> {
    let signs = run.chars().count();
    pairs(run).take((signs - 1).max(1))
}
