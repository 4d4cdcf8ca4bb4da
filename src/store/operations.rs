//! What operators and the process itself ask of the tables: dead letters, replay jobs, the ledger's
//! history, sessions, the counts of `status`, who runs; and what applications search.
//!
//! Called by `operations`, `cli`, `admin`, `replay`, `accounting`, `monitor`, `quiet_sessions`, `consumers`, `media`, `reconcile`, `registrar`, `watchdog`, `search_index`
//! and `lifecycle`.
//!
//! Reading order: `dead_letter` and `job`, which replays them; `history`; `totals` and `settlement`, which
//! the equation needs; then the rest, each a question of its own, but for `reads`, which writes what
//! applications say. `hold` and `batches` are how long work is
//! done: through outages, and with few bodies in memory.
//!
//! Invariant: what an operator does is in the audit log, written in the transaction that does it.
//!
//! May import `sql`, `connect`, `tables`, `audit`, `apply`, `bodies`, and what `store` shares.

pub mod attachments;
pub(crate) mod batches;
pub mod clocks;
pub mod console_sessions;
pub mod consumers;
mod counts;
pub mod dead_letter;
pub mod feed;
pub mod health;
pub mod history;
mod history_few;
mod history_named;
pub mod history_page;
pub(crate) mod hold;
pub mod job;
mod naming;
pub mod page;
pub mod partition;
pub mod people;
mod probe;
pub mod processes;
pub mod reads;
pub mod reconciliations;
pub mod registrations;
pub mod repair;
pub mod retention;
pub mod search;
mod session_configs;
pub mod sessions;
pub mod settlement;
pub mod totals;
pub mod watches;
