//! Changes as rows: one file per table says how a change becomes a row and how rows merge.
//!
//! Called by `identity` and `apply`, which write them, and by `operations/reads`.
//!
//! Reading order: `message`, the largest; `contact` and `chat`, which people are merged in; the others as
//! needed; `keyed`, where a table names a chat or a person.
//!
//! Invariant: nothing here talks to a database. A row is an entity's active model, taken whole: a column
//! that is new there does not compile until it is said here what it holds. A merge rule is the same here
//! as in `change/`; what moves rows from one key to another (`identity/move_keys`) merges by these rules,
//! too.
//!
//! May import `sql`.

pub(super) mod answer;
pub(super) mod attachment;
pub(super) mod call;
pub(super) mod chat;
pub(super) mod claim;
pub(super) mod contact;
pub(super) mod edit;
mod keyed;
pub(super) mod label;
pub(super) mod message;
pub(super) mod own_message;
pub(super) mod participant;
pub(super) mod read;
pub(super) mod referral;
pub(super) mod session;
pub(super) mod status;
#[cfg(test)]
mod tests;

use crate::change::{Register, Version};

pub(super) use keyed::{BY_CHAT, BY_PERSON};

/// A text that fits a column of so many characters, cut at a character boundary.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    let end = text.char_indices().nth(chars_max).map_or(text.len(), |(end, _)| end);
    text[..end].to_owned()
}

/// The same for a text that may be absent.
fn cut_option(text: Option<&str>, chars_max: usize) -> Option<String> {
    text.map(|text| cut(text, chars_max))
}

/// The version of what may never have been told: then 0.
fn version<T>(register: Option<&Register<T>>) -> i64 {
    register.map_or(Version::default(), |register| register.version).get()
}

/// What was told, if anything was.
fn value<T>(register: Option<&Register<T>>) -> Option<&T> {
    register.map(|register| &register.value)
}
