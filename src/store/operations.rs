//! What operators and the process itself ask of the tables: dead letters, replay jobs, the ledger's
//! history, sessions, the counts of `status`, who runs; and what applications search.
//!
//! Called by `operations`, `cli`, `admin`, `replay`, `accounting`, `monitor`, `quiet_sessions`, `consumers`, `search_index`
//! and `lifecycle`.
//!
//! Reading order: `dead_letter` and `job`, which replays them; `history`; `totals` and `settlement`, which
//! the equation needs; then the rest, each a question of its own, but for `reads`, which writes what
//! applications say. `hold` and `batches` are how long work is
//! done: through outages, and with few bodies in memory.
//!
//! Invariant: what an operator does is in the audit log, written in the transaction that does it.
//!
//! May import `sql`, `connect`, `tables`, `audit`, `apply`, and what `store` shares.

pub(crate) mod batches;
pub mod clocks;
pub mod consumers;
mod counts;
pub mod dead_letter;
pub mod feed;
pub mod history;
pub(crate) mod hold;
pub mod job;
pub mod page;
mod probe;
pub mod processes;
pub mod reads;
mod retention;
pub mod search;
pub mod sessions;
pub mod settlement;
pub mod totals;
