//! Words of messages: what a text is found by, and what somebody looks for. Pure.
//!
//! Called by `store/operations/search`, which keeps the words of each message in `waha_message_words`, and by
//! whoever takes a query. No database splits texts here: their parsers, lists of stop words and alphabets
//! differ, so `pieces` alone says what a word is, and all databases find the same.
//!
//! Invariant: what [`SearchQuery::matches`] accepts, the words of [`words_of`] are found by; they may find more.

mod fold;
mod pieces;
mod query;
mod words;

pub use query::{SearchQuery, SearchQueryError};
pub use words::{CONTENT_CHARS_MAX, WORDS_VERSION, words_of};

#[cfg(test)]
mod tests;
