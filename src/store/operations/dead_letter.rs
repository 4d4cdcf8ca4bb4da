//! Dead letters: webhooks we stopped retrying, kept as rows with all that an operator needs.
//!
//! One row per webhook, however often it is replayed. `apply/burial` makes them; here is what operators do
//! with them, through `operations`. `job` takes them for a replay.

mod edit;
mod filter;
mod group;
mod import;
mod letter;
mod read;
mod resolve;

pub use filter::DeadLetterFilter;
pub use group::{DeadLetterGroup, DeadLettersOfSession, FilterExtent};
pub use import::{DeadLetterImport, ImportCounts};
pub use letter::{DeadLetter, DeadLetterEdit, DeadLetterReplay, DeadLetterSummary};
pub use resolve::DeadLetterResolution;

pub(super) use read::{big_integer, body_bytes, select};
