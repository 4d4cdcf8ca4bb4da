//! Changes as rows: one file per table says which columns there are and how they merge.
//!
//! Called by `identity` and `apply`, which write them.
//!
//! Reading order: `message`, the largest; `contact` and `chat`, which people are merged in; the others as
//! needed.
//!
//! Invariant: nothing here talks to a database. A merge rule is the same here as in `change/`; what moves
//! rows from one key to another (`identity/move_keys`) merges by these rules, too.
//!
//! May import `sql`.

pub(super) mod answer;
pub(super) mod call;
pub(super) mod chat;
pub(super) mod claim;
pub(super) mod contact;
pub(super) mod edit;
pub(super) mod label;
pub(super) mod message;
pub(super) mod participant;
pub(super) mod read;
pub(super) mod session;
pub(super) mod status;

use sea_orm::Value;

/// A table's own columns and those it shares, in one list of `N`.
const fn joined<const A: usize, const B: usize, const N: usize>(
    own: [&'static str; A],
    shared: [&'static str; B],
) -> [&'static str; N] {
    assert!(A + B == N, "N counts both");
    let mut all = [""; N];
    let mut place = 0;
    while place < N {
        all[place] = if place < A { own[place] } else { shared[place - A] };
        place += 1;
    }
    all
}

/// A text that fits a column of so many characters, cut at a character boundary.
pub(super) fn cut(text: &str, chars_max: usize) -> Value {
    let end = text.char_indices().nth(chars_max).map_or(text.len(), |(end, _)| end);
    Value::from(&text[..end])
}

/// The same for a text that may be absent.
fn cut_option(text: Option<&str>, chars_max: usize) -> Value {
    text.map_or(Value::String(None), |text| cut(text, chars_max))
}
