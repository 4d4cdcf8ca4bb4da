//! Dead letters: webhooks we stopped retrying, kept as rows with all that an operator needs.
//!
//! One row per webhook, however often it is replayed. `bury` and `end` are the worker's, the rest is
//! for operators, through `desk`; `store/job.rs` takes them for a replay.

mod bury;
mod cause;
mod edit;
mod end;
mod filter;
mod fingerprint;
mod group;
mod import;
mod letter;
mod parts;
mod read;
mod resolve;

pub use bury::Burial;
pub use filter::Filter;
pub use group::{Extent, Group, SessionCount};
pub use import::{Imported, Letter};
pub use letter::{DeadLetter, Edit, Replay, State, Summary};
pub use read::Page;
pub use resolve::Resolution;

pub(super) use end::end_replays;
pub(super) use read::{big_integer, body_bytes, select};

const TABLE: &str = "dead_letters";
