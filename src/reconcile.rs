//! Finds again what WAHA never delivered: compares with WAHA's own list of messages, and takes over what is missing.
//!
//! Started by `lifecycle` beside a worker; `cli` does the same at a command.
//!
//! Reading order: `reconciler`, what is done next; `plan`, what happened that makes it due (pure); `run`, one
//! reconciliation, window by window; `walk` and `by_chat`, how each engine's list is read so that nothing slips
//! through; `page`, what of a page is missing, and how it is written; `row`, a message of the list as a webhook
//! (pure); `findings`, what was found by hour (pure); `people` and `member_lists`, what WAHA knows of the session
//! besides messages; `problem`, what becomes of one that could not go on.
//!
//! Invariants: nothing is deleted, lowered or replaced, and no message changes its owner: what is read here is in a
//! lower band of versions than any live telling ([`Version::backfilled`](crate::change::Version::backfilled)). A page
//! is written in one transaction with its rows of the ledger and their count, so the equation of `status` stays
//! exact; its webhooks are known by their content, so walking a window again writes nothing twice. That WAHA lacks
//! a message says nothing: engines drop what was revoked, and prune.

mod by_chat;
mod findings;
mod member_lists;
mod page;
mod people;
mod plan;
mod problem;
mod reconciler;
mod row;
mod run;
mod walk;

pub use people::PeopleCounts;
pub use plan::{Planned, newest_until, people_window};
pub use problem::ReconcileProblem;
pub use reconciler::{ReconcileLimits, Reconciler};
pub use run::ReconciliationCounts;
